package io.kvtier.codec.frame;

/**
 * A directory entry: one segment, holding consecutive layer groups of one head group of one part.
 *
 * @param part index in the frame's list of parts
 * @param bytes length of the segment
 * @param crc32c of the segment's bytes
 * @param distortion squared error in the profile's whitened domain left on head tokens once the
 *     part is decoded, 0 for a tail part
 * @param tailDistortion the same on tail tokens, 0 for a head part
 */
public record SegmentEntry(
        int firstLayerGroup,
        int layerGroups,
        int headGroup,
        int part,
        int bytes,
        int crc32c,
        float distortion,
        float tailDistortion) {
    /** Bytes of an entry in a header. */
    static final int BYTES = 24;
}
