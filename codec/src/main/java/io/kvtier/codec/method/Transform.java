package io.kvtier.codec.method;

/** A stage that makes other real numbers of real numbers. */
public interface Transform extends Stage {
    @Override
    default Planes.Form accepts() {
        return Planes.Form.FLOATS;
    }

    @Override
    default Planes.Form produces() {
        return Planes.Form.FLOATS;
    }
}
