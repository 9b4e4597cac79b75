package io.kvtier.node.sim;

import io.kvtier.client.StreamOptions;
import io.kvtier.codec.plan.Grade;

/** The client of this tier, and a node with its usual replies. */
record KvtierPolicy() implements StreamPolicy {
    /** As {@code FlightOptions} has it. */
    private static final long SLICE_BYTES = 1 << 20;

    @Override
    public String name() {
        return "kvtier";
    }

    @Override
    public PolicyScore run(StreamCase request) {
        VirtualStream stream =
                new VirtualStream(request, StreamOptions.defaults(), SLICE_BYTES).run();
        return stream.grades().contains(Grade.NOTHING)
                ? request.missed(this, stream.bytes())
                : request.met(this, stream.distortion(), stream.bytes());
    }
}
