package io.kvtier.client;

import org.jspecify.annotations.Nullable;

/**
 * How a client's work runs side by side and waits for each other: on threads, or in a test one task
 * at a time, in virtual time.
 *
 * <p>Thread-safety: all methods.
 */
interface Tasks {
    /** Work that was begun. */
    interface Task {
        /** Interrupts it, if it still runs. */
        void cancel();
    }

    /** Messages for whoever waits; unbounded, so what is sent is bounded elsewhere. */
    interface Mailbox<T> {
        void add(T message);

        /** The next message, if there is one. */
        @Nullable T poll();

        /** The next message, if one comes in so many nanoseconds. */
        @Nullable T poll(long nanos) throws InterruptedException;
    }

    /**
     * Begins work beside the caller's.
     *
     * @throws java.util.concurrent.RejectedExecutionException once the client is closed
     */
    Task start(Runnable work);

    /** A new mailbox. */
    <T> Mailbox<T> mailbox();

    /** Lets time go by, less when interrupted. */
    void pause(long nanos);
}
