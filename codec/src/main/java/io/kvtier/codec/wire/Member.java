package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * One node of a {@link ClusterMap}.
 *
 * @param id of the node, for good: its name decides what is placed on it
 * @param endpoint {@code host:port} of its Flight service, empty = where the map came from
 * @param zone copies go to different zones where there are several; empty = none
 * @param weight its capacity relative to others'
 * @param state what it does at the moment
 * @param shares its weight in the placement that holds now, then in the earlier ones that readers
 *     still ask; 0 = nothing is placed on it
 */
public record Member(
        String id, String endpoint, String zone, int weight, State state, List<Integer> shares) {
    /** Largest weight. */
    public static final int WEIGHT_MAX = 10_000;

    private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9._-]{1,63}");
    private static final Pattern ENDPOINT = Pattern.compile("[a-zA-Z0-9._:\\[\\]-]{0,255}");

    /** What a node does; the ordinal is its byte on the wire. */
    public enum State {
        /** Takes over its share step by step. */
        JOINING,
        UP,
        /** Serves what it holds and hands it over; nothing new is placed on it. */
        DRAINING,
        /** Does not answer, or said that it leaves. */
        DOWN
    }

    /** Copies the shares and checks all fields. */
    public Member {
        shares = List.copyOf(shares);
        check(NAME.matcher(id).matches(), "node id", id, NAME.pattern());
        check(ENDPOINT.matcher(endpoint).matches(), "endpoint", endpoint, "host:port");
        check(zone.isEmpty() || NAME.matcher(zone).matches(), "zone", zone, NAME.pattern());
        check(weight >= 1 && weight <= WEIGHT_MAX, "weight", weight, "1.." + WEIGHT_MAX);
        for (int share : shares) {
            check(share >= 0 && share <= WEIGHT_MAX, "share", share, "0.." + WEIGHT_MAX);
        }
    }

    /** A node that holds all of its weight, and no earlier placement. */
    public static Member up(String id, String endpoint, String zone, int weight) {
        return new Member(id, endpoint, zone, weight, State.UP, List.of(weight));
    }

    /** Its weight in the placement that holds now. */
    public int share() {
        return shares.getFirst();
    }

    /** Whether it may be asked for what it holds. */
    public boolean isReachable() {
        return state != State.DOWN;
    }

    /** The same in another state. */
    public Member withState(State other) {
        return new Member(id, endpoint, zone, weight, other, shares);
    }

    /** The same with other shares. */
    public Member withShares(List<Integer> others) {
        return new Member(id, endpoint, zone, weight, state, others);
    }

    int byteSize() {
        return 6 + id.length() + endpoint.length() + zone.length() + 4 + 2 * shares.size();
    }

    void write(ByteBuffer out) {
        writeName(out, id);
        writeName(out, endpoint);
        writeName(out, zone);
        out.putShort((short) weight).put((byte) state.ordinal()).put((byte) 0);
        shares.forEach(share -> out.putShort((short) (int) share));
    }

    static Member read(ByteBuffer in, int placements) {
        String id = Wire.readString(in);
        String endpoint = Wire.readString(in);
        String zone = Wire.readString(in);
        int weight = Wire.u16(in);
        int state = Wire.u8(in);
        check(state < State.values().length, "node state", state, "0..3");
        Wire.reserved(in, 1, "Member");
        List<Integer> shares = new ArrayList<>(placements);
        for (int i = 0; i < placements; i++) {
            shares.add(Wire.u16(in));
        }
        return new Member(id, endpoint, zone, weight, State.values()[state], shares);
    }

    /** Names are ASCII, so that they are as long in bytes as in characters. */
    static void writeName(ByteBuffer out, String name) {
        Wire.writeString(out, name.getBytes(StandardCharsets.US_ASCII));
    }
}
