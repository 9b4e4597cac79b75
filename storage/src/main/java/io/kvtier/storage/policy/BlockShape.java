package io.kvtier.storage.policy;

import java.util.List;

/**
 * What a block takes, and how far from the exact cache it is, by the parts that are held of it.
 *
 * @param bytes of the first part, the first two, … all, ascending
 * @param distortion squared error an element that is left at each, in the profile's whitened
 *     domain, falling
 * @param distortionMax what a reader takes: a block of more is a miss
 */
public record BlockShape(List<Long> bytes, List<Double> distortion, double distortionMax) {
    /** Checks and copies. */
    public BlockShape {
        bytes = List.copyOf(bytes);
        distortion = List.copyOf(distortion);
        boolean rises = !bytes.isEmpty() && bytes.getFirst() > 0;
        boolean falls = bytes.size() == distortion.size();
        for (int i = 1; falls && i < bytes.size(); i++) {
            rises &= bytes.get(i) > bytes.get(i - 1);
            falls &= distortion.get(i) <= distortion.get(i - 1);
        }
        if (!rises || !falls) {
            throw new IllegalArgumentException(
                    "bytes by parts held are "
                            + bytes
                            + " and distortions "
                            + distortion
                            + ", expected as many of both, bytes ascending, distortions falling");
        }
    }

    /** Bytes of a block with all its parts. */
    public long fullBytes() {
        return bytes.getLast();
    }

    /** Distortion of a block of which so many parts are held. */
    double distortionOf(int parts) {
        return distortion.get(parts - 1);
    }

    /** Whether a reader takes a block of which so many parts are held. */
    boolean serves(int parts) {
        return distortionOf(parts) <= distortionMax;
    }
}
