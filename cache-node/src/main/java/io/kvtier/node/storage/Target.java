package io.kvtier.node.storage;

import java.io.IOException;

/** Something that values are put into and read from, for measuring. One thread. */
interface Target extends AutoCloseable {
    /**
     * Writes a value.
     *
     * @param version of the value; higher than all before under this number
     * @param sync whether it has to be durable on return
     */
    void put(int number, int version, boolean sync) throws IOException;

    /** Reads a value and checks its CRC32C. */
    void get(int number) throws IOException;

    /** Lets go of all files; stores make everything durable before. */
    @Override
    void close() throws IOException;
}
