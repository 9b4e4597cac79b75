package io.kvtier.node;

/** What the command line's exit codes mean. */
final class ExitCode {
    static final int OK = 0;

    /** The question was answered by no: nothing matched or came in time, or a store is damaged. */
    static final int MISS = 1;

    /** The command, its files or the configuration cannot be used as they are. */
    static final int USAGE = 2;

    /** The node cannot be reached, is overloaded or refused: another time or node may do. */
    static final int UNAVAILABLE = 3;

    /** A bug or a broken machine. */
    static final int INTERNAL = 4;

    private ExitCode() {}
}
