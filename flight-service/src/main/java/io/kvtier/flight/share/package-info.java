/**
 * How a node shares its outgoing link between the streams of its clients: {@link
 * io.kvtier.flight.share.FairShares} says who should have how much, {@link
 * io.kvtier.flight.share.LinkBroker} lets streams in and sends whose turn it is. Called by the
 * handlers of streams.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.flight.share;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
