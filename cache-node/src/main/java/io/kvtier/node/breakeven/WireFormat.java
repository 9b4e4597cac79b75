package io.kvtier.node.breakeven;

import static io.kvtier.codec.error.InvalidRequestException.check;

/**
 * A form in which a KV cache goes over a link.
 *
 * @param bitsPerElement of K and V, everything counted
 * @param decodeNanosPerElement processor time of one core
 */
public record WireFormat(String name, double bitsPerElement, double decodeNanosPerElement) {
    /** Float16 as it is. */
    public static final WireFormat RAW = new WireFormat("raw fp16", 16, 0);

    /** Checks ranges. */
    public WireFormat {
        check(bitsPerElement > 0, "bits an element", bitsPerElement, "more than 0");
        check(decodeNanosPerElement >= 0, "decode", decodeNanosPerElement, "0 or more");
    }

    /** The same with other bits, for a model on which those were measured. */
    WireFormat withBits(double bits) {
        return new WireFormat(name, bits, decodeNanosPerElement);
    }
}
