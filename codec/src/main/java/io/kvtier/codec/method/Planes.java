package io.kvtier.codec.method;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.List;

/** What stages hand on: all matrices of a chunk in one form. */
public sealed interface Planes {
    /** The forms, by which a chain is checked before it runs. */
    enum Form {
        FLOATS,
        SYMBOLS,
        BYTES
    }

    /** Real numbers. */
    record Floats(List<Plane<float[]>> planes) implements Planes {
        /** Takes the list as it is. */
        public Floats {
            planes = List.copyOf(planes);
        }
    }

    /** Whole numbers from 0 to below the levels of each plane's shape. */
    record Symbols(List<Plane<int[]>> planes) implements Planes {
        /** Takes the list as it is. */
        public Symbols {
            planes = List.copyOf(planes);
        }
    }

    /** Coded bytes; shapes are those of the symbols that they hold. */
    record Bytes(List<Plane<byte[]>> planes) implements Planes {
        /** Takes the list as it is. */
        public Bytes {
            planes = List.copyOf(planes);
        }
    }

    /** The form. */
    default Form form() {
        return switch (this) {
            case Floats f -> Form.FLOATS;
            case Symbols s -> Form.SYMBOLS;
            case Bytes b -> Form.BYTES;
        };
    }

    /** The matrices of real numbers; refuses others. */
    default List<Plane<float[]>> floats() {
        check(this instanceof Floats, "form of the planes", form(), Form.FLOATS);
        return ((Floats) this).planes;
    }

    /** The matrices of symbols; refuses others. */
    default List<Plane<int[]>> symbols() {
        check(this instanceof Symbols, "form of the planes", form(), Form.SYMBOLS);
        return ((Symbols) this).planes;
    }

    /** The coded bytes; refuses others. */
    default List<Plane<byte[]>> bytes() {
        check(this instanceof Bytes, "form of the planes", form(), Form.BYTES);
        return ((Bytes) this).planes;
    }
}
