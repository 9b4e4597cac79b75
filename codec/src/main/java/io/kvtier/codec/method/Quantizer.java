package io.kvtier.codec.method;

/** A stage that makes symbols of real numbers. */
public interface Quantizer extends Stage {
    @Override
    default Planes.Form accepts() {
        return Planes.Form.FLOATS;
    }

    @Override
    default Planes.Form produces() {
        return Planes.Form.SYMBOLS;
    }
}
