package io.kvtier.node.control;

import io.aeron.ExclusivePublication;
import io.aeron.FragmentAssembler;
import io.aeron.Image;
import io.aeron.Publication;
import io.aeron.cluster.codecs.CloseReason;
import io.aeron.cluster.service.ClientSession;
import io.aeron.cluster.service.Cluster;
import io.aeron.cluster.service.ClusteredService;
import io.aeron.logbuffer.FragmentHandler;
import io.aeron.logbuffer.Header;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.wire.ClusterMap;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.agrona.DirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The replicated state: one cluster map, replaced by a map of the next epoch and by nothing else.
 * All judgement is the leader's; here two leaders that both think they lead come to one order.
 *
 * <p>Aeron Cluster calls it from one thread; the getters may be called from any.
 */
final class MapRegister implements ClusteredService {
    private static final Logger log = LoggerFactory.getLogger(MapRegister.class);
    private static final int NOBODY = -1;

    private volatile ClusterMap map;
    private volatile int leader = NOBODY;
    private volatile boolean leading;
    private volatile long snapshotEpoch;
    private Cluster cluster;

    /** A register without members yet. */
    @SuppressWarnings("NullAway.Init") // Aeron calls onStart before all else
    MapRegister(int copies, int groupTokens) {
        this.map = new ClusterMap(0, 0, copies, groupTokens, List.of());
    }

    /** The map that the log's replayed part has led to. */
    ClusterMap map() {
        return map;
    }

    /** Number of the voter that leads, negative while none is known. */
    int leader() {
        return leader;
    }

    /** Epoch of the last snapshot that was taken or restored, 0 before the first. */
    long snapshotEpoch() {
        return snapshotEpoch;
    }

    /** Whether this voter leads. */
    boolean isLeading() {
        return leading;
    }

    @Override
    public void onStart(Cluster started, Image snapshot) {
        cluster = started;
        if (snapshot == null) {
            return;
        }
        FragmentHandler read =
                new FragmentAssembler(
                        (buffer, offset, length, header) -> map = parse(buffer, offset, length));
        while (!snapshot.isEndOfStream()) {
            cluster.idleStrategy().idle(snapshot.poll(read, 1));
        }
        snapshotEpoch = map.epoch();
        log.info("restored from a snapshot epoch={}", map.epoch());
    }

    @Override
    public void onSessionMessage(
            ClientSession session,
            long timestamp,
            DirectBuffer buffer,
            int offset,
            int length,
            Header header) {
        ClusterMap proposed;
        try {
            proposed = parse(buffer, offset, length);
        } catch (InvalidRequestException e) {
            log.warn("a proposal was not understood, and ignored: {}", e.getMessage());
            return;
        }
        ClusterMap current = map;
        boolean follows = proposed.epoch() == current.epoch() + 1;
        boolean sameCluster = current.epoch() == 0 || proposed.cluster() == current.cluster();
        if (follows && sameCluster) {
            map = proposed;
        }
    }

    @Override
    public void onTakeSnapshot(ExclusivePublication snapshot) {
        ClusterMap taken = map;
        UnsafeBuffer bytes = new UnsafeBuffer(taken.toBytes());
        long result = snapshot.offer(bytes);
        while (result < 0) {
            if (result == Publication.CLOSED || result == Publication.MAX_POSITION_EXCEEDED) {
                throw new IllegalStateException("the snapshot cannot be written: " + result);
            }
            cluster.idleStrategy().idle();
            result = snapshot.offer(bytes);
        }
        snapshotEpoch = taken.epoch();
        log.info("snapshot epoch={}", taken.epoch());
    }

    @Override
    public void onRoleChange(Cluster.Role role) {
        leading = role == Cluster.Role.LEADER;
        log.info("voter role={} epoch={}", role, map.epoch());
    }

    @Override
    public void onNewLeadershipTermEvent(
            long term,
            long position,
            long timestamp,
            long termBase,
            int leaderMember,
            int session,
            TimeUnit unit,
            int appVersion) {
        leader = leaderMember;
    }

    @Override
    public void onSessionOpen(ClientSession session, long timestamp) {}

    @Override
    public void onSessionClose(ClientSession session, long timestamp, CloseReason reason) {}

    @Override
    public void onTimerEvent(long correlation, long timestamp) {}

    @Override
    public void onTerminate(Cluster terminated) {
        leading = false;
    }

    private static ClusterMap parse(DirectBuffer buffer, int offset, int length) {
        byte[] bytes = new byte[length];
        buffer.getBytes(offset, bytes);
        return ClusterMap.parse(ByteBuffer.wrap(bytes));
    }
}
