package io.kvtier.flight;

import io.kvtier.flight.share.LinkBroker;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.NanoClock;
import java.util.concurrent.ExecutorService;
import java.util.function.Supplier;

/** What every call of a node's service works on. */
record NodeContext(
        FlightOptions options,
        ChunkStore store,
        BlobPool pool,
        ProfileStore profiles,
        Supplier<String> stats,
        ControlService control,
        TimesToLive times,
        CallMemory memory,
        InFlightBudget budget,
        LinkBroker link,
        StreamWatch watch,
        ExecutorService executor,
        NanoClock clock,
        ServiceMeter meter) {}
