package io.kvtier.client;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** Tasks on the threads of an executor, which is lent. */
final class ThreadTasks implements Tasks {
    private final ExecutorService executor;

    ThreadTasks(ExecutorService executor) {
        this.executor = executor;
    }

    @Override
    public Task start(Runnable work) {
        Future<?> future = executor.submit(work);
        return () -> {
            boolean _ = future.cancel(true);
        };
    }

    @Override
    public <T> Mailbox<T> mailbox() {
        return new Queued<>();
    }

    @Override
    public void pause(long nanos) {
        LockSupport.parkNanos(nanos);
    }

    private static final class Queued<T> implements Mailbox<T> {
        private final LinkedBlockingQueue<T> queue = new LinkedBlockingQueue<>();

        @Override
        public void add(T message) {
            queue.add(message);
        }

        @Override
        public @Nullable T poll() {
            return queue.poll();
        }

        @Override
        public @Nullable T poll(long nanos) throws InterruptedException {
            return queue.poll(nanos, TimeUnit.NANOSECONDS);
        }
    }
}
