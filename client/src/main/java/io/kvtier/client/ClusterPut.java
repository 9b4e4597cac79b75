package io.kvtier.client;

import io.kvtier.client.placement.Placement;
import io.kvtier.client.placement.PrefixGroup;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutCommand;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One put to several nodes: each frame goes to as many of its group's owners as copies are asked
 * for, at once; where an owner fails, the next one takes its place.
 */
final class ClusterPut {
    private final ClusterNodes nodes;
    private final Placement placement;
    private final Namespace namespace;
    private final PutOptions options;
    private final Deadline deadline;
    private final Tasks tasks;
    private final BackgroundCopies later;
    private final NanoClock clock;
    private final List<Target> targets = new ArrayList<>();
    private @Nullable KvtierException failure;

    /** One frame: who should have it, and who has. */
    private static final class Target {
        final MemorySegment frame;
        final List<NodeConnection> candidates;
        int next;
        int reached;
        @Nullable PutReply reply;
        boolean refused;

        Target(MemorySegment frame, List<NodeConnection> candidates) {
            this.frame = frame;
            this.candidates = candidates;
        }
    }

    private record Answer(
            NodeConnection node,
            List<Target> of,
            List<PutReply> replies,
            @Nullable RuntimeException error) {}

    ClusterPut(
            ClusterNodes nodes,
            Placement placement,
            Namespace namespace,
            PutOptions options,
            Deadline deadline,
            Tasks tasks,
            BackgroundCopies later,
            NanoClock clock) {
        this.nodes = nodes;
        this.placement = placement;
        this.namespace = namespace;
        this.options = options;
        this.deadline = deadline;
        this.tasks = tasks;
        this.later = later;
        this.clock = clock;
    }

    List<PutReply> run(List<MemorySegment> frames, DecodeLimits limits) {
        Map<Integer, Digest> heads = new HashMap<>();
        for (MemorySegment frame : frames) {
            targets.add(new Target(frame, candidates(header(frame, limits), heads)));
        }
        while (!deadline.isOver() && round()) {}
        List<PutReply> out = new ArrayList<>();
        for (Target target : targets) {
            out.add(reply(target));
        }
        KvtierException last = failure;
        if (last != null && targets.stream().allMatch(target -> target.reply == null)) {
            throw last;
        }
        copyLater();
        return out;
    }

    /** Sends each frame that lacks copies to its next owners; false when there is nobody left. */
    private boolean round() {
        Map<NodeConnection, List<Target>> batches = new LinkedHashMap<>();
        for (Target target : targets) {
            int missing = target.refused ? 0 : options.copies() - target.reached;
            for (int i = 0; i < missing && target.next < target.candidates.size(); i++) {
                NodeConnection node = target.candidates.get(target.next++);
                batches.computeIfAbsent(node, _ -> new ArrayList<>()).add(target);
            }
        }
        // A node that hangs must leave time for the one that takes its place.
        boolean last = targets.stream().allMatch(each -> each.next == each.candidates.size());
        Deadline until =
                last ? deadline : Deadline.after(Duration.ofNanos(deadline.nanosLeft() / 2), clock);
        Tasks.Mailbox<Answer> answers = tasks.mailbox();
        List<Tasks.Task> calls = new ArrayList<>();
        batches.forEach(
                (node, of) -> calls.add(tasks.start(() -> answers.add(answer(node, of, until)))));
        try {
            for (int waiting = batches.size(); waiting > 0; waiting--) {
                Answer answer = answers.poll(Long.MAX_VALUE); // calls end by their deadline
                if (answer != null) {
                    accept(answer);
                }
            }
        } catch (InterruptedException e) {
            calls.forEach(Tasks.Task::cancel);
            Thread.currentThread().interrupt();
            return false;
        }
        return !batches.isEmpty();
    }

    private Answer answer(NodeConnection node, List<Target> of, Deadline until) {
        try {
            return new Answer(node, of, send(node, of, until), null);
        } catch (RuntimeException e) { // handed to the thread that waits
            return new Answer(node, of, List.of(), e);
        }
    }

    private void accept(Answer answer) {
        switch (answer.error()) {
            case null -> accept(answer.of(), answer.replies());
            case KvtierException e -> {
                nodes.failed(answer.node());
                failure = e;
            }
            default ->
                    throw new IllegalStateException(
                            "a put to " + answer.node().endpoint() + " failed", answer.error());
        }
    }

    private List<PutReply> send(NodeConnection node, List<Target> of, Deadline until) {
        PutCommand command = options.command(namespace);
        return node.put(command, of.stream().map(target -> target.frame).toList(), until);
    }

    private void accept(List<Target> of, List<PutReply> replies) {
        for (int i = 0; i < of.size(); i++) {
            Target target = of.get(i);
            PutReply reply = replies.get(i);
            boolean isRefused = reply.status() == PutReply.Status.REJECTED;
            boolean reached = !isRefused && reply.durability().compareTo(options.durability()) >= 0;
            target.refused |= isRefused;
            target.reached += reached ? 1 : 0;
            if (target.reply == null || (reached && target.reached == 1)) {
                target.reply = reply;
            }
        }
    }

    private PutReply reply(Target target) {
        PutReply reply = target.reply;
        if (reply == null) {
            String why = failure == null ? "the deadline is over" : failure.getMessage();
            return new PutReply(
                    Digest.ZERO,
                    Digest.ZERO,
                    PutReply.Status.REJECTED,
                    Persistence.MEMORY,
                    0,
                    "no owner took it: " + why);
        }
        return new PutReply(
                reply.key(),
                reply.encodingId(),
                reply.status(),
                reply.durability(),
                target.reached,
                reply.message());
    }

    /** Copies that the cluster keeps beyond those that were waited for. */
    private void copyLater() {
        Map<NodeConnection, List<MemorySegment>> batches = new LinkedHashMap<>();
        for (Target target : targets) {
            boolean taken = target.reply != null && !target.refused;
            for (int i = target.next; taken && i < placement.map().copies(); i++) {
                if (i < target.candidates.size()) {
                    batches.computeIfAbsent(target.candidates.get(i), _ -> new ArrayList<>())
                            .add(target.frame);
                }
            }
        }
        PutCommand copy =
                new PutCommand(Persistence.MEMORY, 1, namespace, options.ttl().toMillis());
        batches.forEach((node, frames) -> later.offer(node, copy, frames));
    }

    /** Owners, those that failed a moment ago last. */
    private List<NodeConnection> candidates(
            Optional<FrameHeader> header, Map<Integer, Digest> heads) {
        Digest head = header.map(it -> head(it, heads)).orElse(Digest.ZERO);
        int count = Math.max(options.copies(), placement.map().copies());
        List<NodeConnection> owners = new ArrayList<>();
        List<NodeConnection> suspects = new ArrayList<>();
        placement.owners(head, count).stream()
                .map(nodes::of)
                .forEach(node -> (node.isSuspect() ? suspects : owners).add(node));
        owners.addAll(suspects);
        return owners;
    }

    /** Key of the first chunk of the frame's group; a state is a group of its own. */
    private Digest head(FrameHeader header, Map<Integer, Digest> heads) {
        if (namespace.geometry().isState()) {
            return header.key();
        }
        int size = namespace.chunkTokens();
        int chunk = header.firstPosition() / size;
        int start = PrefixGroup.start(chunk, PrefixGroup.chunksMax(placement.map(), size));
        if (start == chunk) {
            heads.put(chunk, header.key());
        }
        Digest head =
                start < options.chain().size() ? options.chain().get(start) : heads.get(start);
        if (head == null) {
            throw new InvalidRequestException(
                    "the frame at token "
                            + header.firstPosition()
                            + " belongs to the group that begins at token "
                            + start * size
                            + ", whose key is not known: put that chunk before it, or name the"
                            + " prompt's keys (PutOptions.withChain)");
        }
        return head;
    }

    /** Nothing when it is no frame: whichever node gets it says why. */
    private static Optional<FrameHeader> header(MemorySegment frame, DecodeLimits limits) {
        try {
            return Optional.of(FrameBytes.readHeader(frame, limits));
        } catch (CorruptChunkException | InvalidRequestException e) {
            return Optional.empty();
        }
    }
}
