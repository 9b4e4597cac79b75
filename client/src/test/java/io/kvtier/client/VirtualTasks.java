package io.kvtier.client;

import java.util.ArrayDeque;
import java.util.PriorityQueue;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/**
 * Tasks in virtual time: one runs at a time, until it waits or ends; then what is due next runs, in
 * the order in which it was asked for. So a run depends on nothing but what the tasks do.
 */
final class VirtualTasks implements Tasks, NanoClock {
    private final PriorityQueue<Event> events = new PriorityQueue<>();
    private final Semaphore back = new Semaphore(0);
    private long now;
    private long numbers;
    private @Nullable Turn current;
    private @Nullable Throwable failure;

    private record Event(long atNanos, long number, Runnable work) implements Comparable<Event> {
        @Override
        public int compareTo(Event other) {
            int byTime = Long.compare(atNanos, other.atNanos);
            return byTime != 0 ? byTime : Long.compare(number, other.number);
        }
    }

    /** A task, which runs while it has the turn. */
    private final class Turn implements Task {
        private final Semaphore mine = new Semaphore(0);
        private final Thread thread;
        private boolean waits;
        private boolean over;

        Turn(Runnable work) {
            thread =
                    Thread.ofVirtual()
                            .unstarted(
                                    () -> {
                                        mine.acquireUninterruptibly();
                                        try {
                                            work.run();
                                        } catch (RuntimeException | Error e) {
                                            failure = e;
                                        }
                                        over = true;
                                        back.release();
                                    });
        }

        void run() {
            current = this;
            mine.release();
            back.acquireUninterruptibly();
            current = null;
        }

        void await() {
            waits = true;
            back.release();
            mine.acquireUninterruptibly();
        }

        void wake() {
            if (waits && !over) {
                waits = false;
                after(0, this::run);
            }
        }

        @Override
        public void cancel() {
            if (!over) {
                thread.interrupt();
                wake();
            }
        }
    }

    private final class VirtualMailbox<T> implements Mailbox<T> {
        private final ArrayDeque<T> messages = new ArrayDeque<>();
        private @Nullable Turn reader;

        @Override
        public void add(T message) {
            messages.add(message);
            Turn waiting = reader;
            if (waiting != null) {
                reader = null;
                waiting.wake();
            }
        }

        @Override
        public @Nullable T poll() {
            return messages.poll();
        }

        @Override
        public @Nullable T poll(long nanos) throws InterruptedException {
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            if (!messages.isEmpty() || nanos <= 0) {
                return messages.poll();
            }
            Turn turn = self();
            reader = turn;
            sleep(turn, nanos);
            reader = null;
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            return messages.poll();
        }
    }

    @Override
    public long nanoTime() {
        return now;
    }

    @Override
    public Task start(Runnable work) {
        Turn turn = new Turn(work);
        turn.thread.start();
        after(0, turn::run);
        return turn;
    }

    @Override
    public <T> Mailbox<T> mailbox() {
        return new VirtualMailbox<>();
    }

    @Override
    public void pause(long nanos) {
        sleep(self(), nanos);
    }

    /** Does something that does not wait, so much later. */
    void after(long nanos, Runnable work) {
        events.add(new Event(now + nanos, numbers++, work));
    }

    /** Runs until nothing is due any more. */
    void run(long untilNanos) {
        for (Event next = events.poll(); next != null; next = events.poll()) {
            if (next.atNanos() > untilNanos) {
                throw new AssertionError("tasks go on after " + untilNanos + " ns");
            }
            now = next.atNanos();
            next.work().run();
            Throwable thrown = failure;
            if (thrown != null) {
                throw new AssertionError("a task failed", thrown);
            }
        }
    }

    private void sleep(Turn turn, long nanos) {
        boolean[] woken = new boolean[1];
        if (nanos < Long.MAX_VALUE - now) {
            after(
                    nanos,
                    () -> {
                        if (!woken[0]) {
                            turn.wake();
                        }
                    });
        }
        turn.await();
        woken[0] = true;
    }

    private Turn self() {
        Turn turn = current;
        if (turn == null) {
            throw new IllegalStateException("only a task can wait");
        }
        return turn;
    }
}
