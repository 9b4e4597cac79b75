package io.kvtier.client;

import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.GetTicket;
import io.kvtier.codec.wire.GroupLookup;
import io.kvtier.codec.wire.LookupReply;
import io.kvtier.codec.wire.Member;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutCommand;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.codec.wire.SegmentReply;
import io.kvtier.codec.wire.SegmentRequest;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Nodes that are not there: memory and disk of each, the map as each has heard of it, and the
 * network between them and a client. All of it obeys a seed and {@link VirtualTasks}.
 */
final class VirtualCluster {
    private static final long MICRO = 1000;
    private static final long MILLI = 1_000_000;
    private static final int SLICE_SEGMENTS = 3;

    private final VirtualTasks time;
    private final SplittableRandom random;
    private final List<Node> nodes = new ArrayList<>();
    private ClusterMap agreed;
    private int flipsOneIn;

    enum State {
        UP,
        /** Refuses connections. */
        DOWN,
        /** Says nothing, and does nothing. */
        HUNG
    }

    /** A frame on a node. */
    @SuppressWarnings("ArrayRecordComponent") // never changed, never compared
    private record Held(byte[] frame, FrameHeader header, ChunkDirectory directory) {}

    /** One node. */
    static final class Node {
        final String endpoint;
        private final Map<Digest, Held> memory = new HashMap<>();
        private final Map<Digest, Held> disk = new HashMap<>();
        private final Set<VirtualLink> links = new HashSet<>();
        ClusterMap known;
        State state = State.UP;

        Node(String endpoint, ClusterMap known) {
            this.endpoint = endpoint;
            this.known = known;
        }

        /** The process ends; what was in memory alone is gone, and connections break. */
        void kill() {
            state = State.DOWN;
            memory.clear();
            memory.putAll(disk);
            List.copyOf(links).forEach(VirtualLink::fail);
        }

        /** All that it ever held is gone, too. */
        void wipe() {
            disk.clear();
            kill();
        }
    }

    VirtualCluster(VirtualTasks time, SplittableRandom random, int count, int copies) {
        this.time = time;
        this.random = random;
        List<Member> members = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            members.add(Member.up("n" + i, "n" + i + ":1", "", 100));
        }
        agreed = new ClusterMap(1, 1, copies, 4 * SimFrames.CHUNK_TOKENS, members);
        members.forEach(member -> nodes.add(new Node(member.endpoint(), agreed)));
    }

    Node node(int index) {
        return nodes.get(index);
    }

    int size() {
        return nodes.size();
    }

    /** One payload in so many has a bit flipped; 0 = none. */
    void flipOneIn(int count) {
        flipsOneIn = count;
    }

    List<String> endpoints() {
        return nodes.stream().map(node -> node.endpoint).toList();
    }

    /** A node's state as the voters see it; nodes hear of it one by one, a little later. */
    void agree(int index, Member.State state) {
        List<Member> members = new ArrayList<>();
        int earlier = Math.min(agreed.placements(), ClusterMap.PLACEMENTS_MAX - 1);
        for (int i = 0; i < agreed.members().size(); i++) {
            Member member = agreed.members().get(i);
            List<Integer> shares = new ArrayList<>();
            boolean placed = state == Member.State.UP;
            shares.add(i == index ? (placed ? member.weight() : 0) : member.share());
            shares.addAll(member.shares().subList(0, earlier));
            Member next = i == index ? member.withState(state) : member;
            members.add(next.withShares(shares));
        }
        agreed =
                new ClusterMap(
                        agreed.cluster(),
                        agreed.epoch() + 1,
                        agreed.copies(),
                        agreed.groupTokens(),
                        members);
        ClusterMap told = agreed;
        for (Node node : nodes) {
            time.after(
                    random.nextLong(600 * MILLI),
                    () -> node.known = told.replaces(node.known) ? told : node.known);
        }
    }

    /** Of the map that the voters agreed on last. */
    long epoch() {
        return agreed.epoch();
    }

    Transport connect(String endpoint) {
        Node node =
                nodes.stream()
                        .filter(each -> each.endpoint.equals(endpoint))
                        .findFirst()
                        .orElseThrow();
        return new VirtualTransport(node);
    }

    private long delay() {
        long usual = 50 * MICRO + random.nextLong(2 * MILLI);
        return random.nextInt(10) == 0 ? usual + random.nextLong(40 * MILLI) : usual;
    }

    private byte[] onTheWire(byte[] bytes) {
        if (flipsOneIn == 0 || bytes.length == 0 || random.nextInt(flipsOneIn) != 0) {
            return bytes;
        }
        byte[] harmed = bytes.clone();
        harmed[random.nextInt(harmed.length)] ^= (byte) (1 << random.nextInt(8));
        return harmed;
    }

    /** A call: there, done, and back, unless the node is gone or hangs. */
    private <T> T call(Node node, Deadline deadline, long workNanos, Supplier<T> work) {
        Tasks.Mailbox<Supplier<T>> answers = time.mailbox();
        time.after(delay(), () -> arrive(node, workNanos, work, answers));
        try {
            Supplier<T> answer = answers.poll(Math.max(1, deadline.nanosLeft()));
            if (answer == null) {
                throw new UnavailableException(node.endpoint + ": the deadline is over");
            }
            return answer.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UnavailableException(node.endpoint + ": interrupted", e);
        }
    }

    private <T> void arrive(
            Node node, long workNanos, Supplier<T> work, Tasks.Mailbox<Supplier<T>> answers) {
        switch (node.state) {
            case HUNG -> {} // whoever waits does so until the deadline
            case DOWN ->
                    time.after(
                            delay(),
                            () ->
                                    answers.add(
                                            () -> {
                                                throw refusal(node);
                                            }));
            case UP ->
                    time.after(
                            workNanos,
                            () -> {
                                if (node.state == State.UP) {
                                    T done = work.get();
                                    time.after(delay(), () -> answers.add(() -> done));
                                } else if (node.state == State.DOWN) {
                                    time.after(
                                            delay(),
                                            () ->
                                                    answers.add(
                                                            () -> {
                                                                throw refusal(node);
                                                            }));
                                }
                            });
        }
    }

    private static UnavailableException refusal(Node node) {
        return new UnavailableException(node.endpoint + ": connection refused");
    }

    private final class VirtualTransport implements Transport {
        private final Node node;
        private final Map<Digest, VirtualLink> open = new HashMap<>();

        VirtualTransport(Node node) {
            this.node = node;
        }

        @Override
        public List<byte[]> results(String action, byte[] body, Deadline deadline) {
            return call(
                    node,
                    deadline,
                    20 * MICRO,
                    () ->
                            switch (action) {
                                case "map" -> List.of(node.known.toBytes());
                                case "lookup-groups" -> lookup(body);
                                default -> throw new AssertionError(action);
                            });
        }

        private List<byte[]> lookup(byte[] body) {
            List<byte[]> out = new ArrayList<>();
            for (List<Digest> keys : GroupLookup.parse(ByteBuffer.wrap(body)).groups()) {
                List<ChunkDirectory> held = new ArrayList<>();
                for (Digest key : keys) {
                    Held chunk = node.memory.get(key);
                    if (chunk == null) {
                        break;
                    }
                    held.add(chunk.directory());
                }
                out.add(new LookupReply(0, held).toBytes());
            }
            return out;
        }

        @Override
        public List<PutReply> put(
                PutCommand command, List<MemorySegment> frames, Deadline deadline) {
            List<byte[]> copies =
                    frames.stream().map(frame -> frame.toArray(ValueLayout.JAVA_BYTE)).toList();
            boolean synced = command.durability() == Persistence.DISK;
            long disk = synced ? MILLI + random.nextLong(20 * MILLI) : 0;
            return call(node, deadline, disk, () -> store(command, copies, synced));
        }

        private List<PutReply> store(PutCommand command, List<byte[]> frames, boolean synced) {
            List<PutReply> out = new ArrayList<>();
            for (byte[] frame : frames) {
                FrameHeader header =
                        FrameBytes.verify(
                                MemorySegment.ofArray(frame),
                                command.namespace(),
                                command.namespace().digest(),
                                DecodeLimits.defaults());
                Held held =
                        new Held(frame, header, ChunkDirectory.of(header, header.parts().size()));
                boolean first = node.memory.putIfAbsent(header.key(), held) == null;
                if (synced) {
                    node.disk.putIfAbsent(header.key(), held);
                }
                PutReply.Status status =
                        first ? PutReply.Status.STORED : PutReply.Status.ALREADY_PRESENT;
                out.add(
                        new PutReply(
                                header.key(),
                                header.encodingId(),
                                status,
                                command.durability(),
                                1,
                                ""));
            }
            return out;
        }

        @Override
        public Delivery get(GetCall call, GetTicket ticket, Deadline deadline) {
            throw new AssertionError("streams are planned by the client here");
        }

        @Override
        public SegmentLink link(Digest namespace) {
            VirtualLink known = open.get(namespace);
            if (known != null && !known.isBroken()) {
                return known;
            }
            VirtualLink fresh = new VirtualLink(node);
            node.links.add(fresh);
            open.put(namespace, fresh);
            return fresh;
        }

        @Override
        public void close() {
            List.copyOf(open.values()).forEach(VirtualLink::close);
        }
    }

    /** An exchange: requests arrive in order, and so do replies. */
    private final class VirtualLink implements SegmentLink {
        private final Node node;
        private final Map<Integer, Listener> listeners = new HashMap<>();
        private @Nullable UnavailableException failure;
        private int numbers;
        private long thereNanos;
        private long backNanos;

        VirtualLink(Node node) {
            this.node = node;
        }

        @Override
        public boolean isBroken() {
            return failure != null;
        }

        @Override
        public int register(Listener listener) {
            if (failure != null) {
                throw failure;
            }
            listeners.put(++numbers, listener);
            return numbers;
        }

        @Override
        public int nextStream() {
            return ++numbers;
        }

        @Override
        public void send(SegmentRequest request, Deadline deadline) {
            if (failure != null) {
                throw failure;
            }
            thereNanos = Math.max(thereNanos, time.nanoTime() + delay());
            time.after(thereNanos - time.nanoTime(), () -> answer(request));
        }

        @Override
        public void forget(int number) {
            listeners.remove(number);
        }

        @Override
        public void cancel(int number, Deadline deadline) {
            // Comes too late here: the node has answered already.
        }

        @Override
        public void close() {
            fail();
        }

        void fail() {
            failure = new UnavailableException(node.endpoint + ": the stream broke");
            node.links.remove(this);
            Set<Listener> waiting = new HashSet<>(listeners.values());
            listeners.clear();
            waiting.forEach(each -> each.broken(new UnavailableException("the stream broke")));
        }

        private void answer(SegmentRequest request) {
            switch (node.state) {
                case HUNG -> {}
                case DOWN -> fail();
                case UP -> {
                    Held held = node.memory.get(request.key());
                    if (held == null) {
                        end(request, SegmentReply.Status.MISS, Digest.ZERO);
                        return;
                    }
                    FrameHeader header = held.header();
                    if (!request.encodingId().equals(header.encodingId())) {
                        end(request, SegmentReply.Status.OTHER_ENCODING, header.encodingId());
                        return;
                    }
                    slices(request, header, held.frame());
                }
            }
        }

        private void slices(SegmentRequest request, FrameHeader header, byte[] frame) {
            int first = header.firstSegment(request.partFrom());
            int end = header.firstSegment(request.partTo());
            if (request.withHeader()) {
                data(request, header, true, first, 0, slice(frame, 0, header.headerBytes()));
            }
            for (int at = first; at < end; at += SLICE_SEGMENTS) {
                int to = Math.min(end, at + SLICE_SEGMENTS);
                byte[] bytes = slice(frame, header.offset(at), header.offset(to));
                data(request, header, to == end, at, to - at, bytes);
            }
        }

        private void data(
                SegmentRequest request,
                FrameHeader header,
                boolean lastOrHead,
                int first,
                int count,
                byte[] bytes) {
            boolean head = count == 0;
            SegmentReply reply =
                    new SegmentReply(
                            request.request(),
                            SegmentReply.Status.DATA,
                            head,
                            lastOrHead && !head,
                            first,
                            count,
                            header.encodingId(),
                            0,
                            0,
                            "");
            MemorySegment wire = MemorySegment.ofArray(onTheWire(bytes));
            back(request.request(), listener -> listener.reply(reply, new Payload(wire, () -> {})));
        }

        private void end(SegmentRequest request, SegmentReply.Status status, Digest encoding) {
            SegmentReply reply = SegmentReply.end(request.request(), status, encoding, "");
            MemorySegment none = MemorySegment.ofArray(new byte[0]);
            back(request.request(), listener -> listener.reply(reply, new Payload(none, () -> {})));
        }

        private void back(int number, Consumer<Listener> what) {
            backNanos = Math.max(backNanos, time.nanoTime() + delay());
            time.after(
                    backNanos - time.nanoTime(),
                    () -> {
                        Listener listener = listeners.get(number);
                        if (failure == null && listener != null && node.state != State.HUNG) {
                            what.accept(listener);
                        }
                    });
        }

        private static byte[] slice(byte[] frame, long from, long to) {
            return java.util.Arrays.copyOfRange(frame, Math.toIntExact(from), Math.toIntExact(to));
        }
    }
}
