package io.kvtier.flight;

import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.GetTicket;
import io.kvtier.codec.wire.StreamCommand;
import io.kvtier.codec.wire.StreamRequest;
import io.kvtier.flight.share.LinkShare;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.arrow.flight.Action;
import org.apache.arrow.flight.ActionType;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.NoOpFlightProducer;
import org.apache.arrow.flight.PutResult;
import org.apache.arrow.flight.Result;
import org.apache.arrow.flight.Ticket;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.FieldType;

/**
 * The Flight service of a node: takes each call off gRPC's thread at once, finds out for whom it
 * is, and turns what goes wrong into a status.
 */
final class NodeProducer extends NoOpFlightProducer {
    static final FieldType NOT_NULL_BINARY = FieldType.notNullable(ArrowType.Binary.INSTANCE);

    /** A reader that was interrupted ends at once; this only bounds the wait for it. */
    private static final long READING_ENDS_SECONDS = 1;

    private final NodeContext node;

    NodeProducer(NodeContext node) {
        this.node = node;
    }

    @Override
    public Runnable acceptPut(
            CallContext context, FlightStream frames, StreamListener<PutResult> replies) {
        Caller caller = caller(context);
        return () -> new PutHandler(node, caller).accept(frames, replies, context::isCancelled);
    }

    @Override
    public void doAction(CallContext context, Action action, StreamListener<Result> results) {
        Caller caller = caller(context);
        Object connection = CallCut.connectionOfCurrent();
        submit(
                () -> {
                    try {
                        new ActionHandler(node, caller, connection).run(action, results);
                        results.onCompleted();
                    } catch (RuntimeException e) {
                        // Nobody waits for the answer to a call that was cancelled, or came too
                        // late.
                        if (!context.isCancelled()) {
                            results.onError(ErrorStatus.of(e));
                        }
                    }
                });
    }

    @Override
    public void listActions(CallContext context, StreamListener<ActionType> types) {
        ActionHandler.TYPES.forEach(types::onNext);
        types.onCompleted();
    }

    @Override
    public void getStream(CallContext context, Ticket ticket, ServerStreamListener listener) {
        Tenant tenant = caller(context).tenant(); // every role may read
        Runnable reset = CallCut.ofCurrent();
        submit(
                () -> {
                    try {
                        GetTicket parsed = GetTicket.parse(ByteBuffer.wrap(ticket.getBytes()));
                        write(
                                listener,
                                reset,
                                () -> {},
                                writer -> {
                                    try (LinkShare share = node.link().open()) {
                                        new GetHandler(node, tenant, parsed, writer, share).run();
                                    }
                                });
                    } catch (RuntimeException e) {
                        listener.error(ErrorStatus.of(e));
                    }
                });
    }

    @Override
    public void doExchange(
            CallContext context, FlightStream reader, ServerStreamListener listener) {
        Tenant tenant = caller(context).tenant(); // every role may read
        Runnable reset = CallCut.ofCurrent();
        RequestQueue queue = new RequestQueue(node.options().requestsMax(), node.clock());
        CountDownLatch readingEnded = new CountDownLatch(1);
        try (StreamWatch.Watched watched = node.watch().watch(node.options().idle().toNanos())) {
            StreamCommand command;
            try {
                byte[] bytes = reader.getDescriptor().getCommand();
                command = StreamCommand.parse(ByteBuffer.wrap(bytes));
            } catch (RuntimeException e) {
                listener.error(ErrorStatus.of(watched.wasCut() ? cut() : e));
                return;
            }
            submit(
                    () -> {
                        write(
                                listener,
                                reset,
                                () -> endReading(watched, readingEnded),
                                writer -> {
                                    Digest namespace = command.namespace();
                                    try (LinkShare share = node.link().open();
                                            ServiceMeter.Running meter =
                                                    node.meter()
                                                            .running(tenant, namespace, queue)) {
                                        new SegmentStream(
                                                        node, tenant, namespace, queue, writer,
                                                        share, meter)
                                                .run(watched);
                                    }
                                });
                        // Should the reader still wait for a client that was cut off, end it.
                        watched.cut();
                    });
            read(reader, queue, watched);
        } finally {
            readingEnded.countDown();
        }
    }

    /** Returns when nobody reads the client's stream any more. */
    private static void endReading(StreamWatch.Watched watched, CountDownLatch readingEnded) {
        if (readingEnded.getCount() > 0) {
            watched.cut();
        }
        try {
            var _ = readingEnded.await(READING_ENDS_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Takes in requests until the client has said its last. */
    private void read(FlightStream reader, RequestQueue queue, StreamWatch.Watched watched) {
        try {
            while (reader.next()) {
                watched.touch();
                message(reader).map(StreamRequest::parse).ifPresent(queue::add);
            }
            queue.end();
        } catch (io.kvtier.codec.error.KvtierException e) {
            queue.fail(e);
        } catch (FlightRuntimeException e) {
            // The client is gone, or its connection.
            queue.fail(new UnavailableException("the client's stream broke", e));
        } catch (RuntimeException e) {
            queue.fail(
                    watched.wasCut()
                            ? cut()
                            : new UnavailableException("the stream cannot be read", e));
        }
    }

    private static Optional<ByteBuffer> message(FlightStream reader) {
        ArrowBuf metadata = reader.getLatestMetadata();
        if (metadata == null) {
            return Optional.empty();
        }
        byte[] copy = new byte[(int) Math.min(metadata.readableBytes(), 1 << 10)];
        metadata.getBytes(metadata.readerIndex(), copy);
        return Optional.of(ByteBuffer.wrap(copy));
    }

    private interface Writing {
        void run(ReplyWriter writer) throws InterruptedException;
    }

    private void write(
            ServerStreamListener listener, Runnable reset, Runnable endReading, Writing writing) {
        long stall = node.options().stall().toNanos();
        try (ReplyWriter writer =
                new ReplyWriter(listener, node.memory(), node.budget(), stall, reset, endReading)) {
            try {
                writing.run(writer);
                writer.complete();
            } catch (InterruptedException e) {
                writer.fail(new UnavailableException("the node stops"));
            } catch (RuntimeException e) {
                writer.fail(e);
            }
        }
    }

    private static Caller caller(CallContext context) {
        AuthMiddleware middleware = context.getMiddleware(AuthMiddleware.KEY);
        if (middleware == null) {
            throw ErrorStatus.of(new UnavailableException("the call was not authenticated"));
        }
        return middleware.caller();
    }

    private void submit(Runnable work) {
        try {
            node.executor().execute(work);
        } catch (RejectedExecutionException e) {
            throw ErrorStatus.of(new UnavailableException("the node stops"));
        }
    }

    private static UnavailableException cut() {
        return new UnavailableException("the stream was idle too long, or the node stops");
    }
}
