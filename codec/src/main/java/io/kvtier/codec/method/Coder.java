package io.kvtier.codec.method;

/** A stage that makes bytes of symbols and loses nothing. */
public interface Coder extends Stage {
    @Override
    default Planes.Form accepts() {
        return Planes.Form.SYMBOLS;
    }

    @Override
    default Planes.Form produces() {
        return Planes.Form.BYTES;
    }

    @Override
    default double largestError(Planes in) {
        return 0;
    }
}
