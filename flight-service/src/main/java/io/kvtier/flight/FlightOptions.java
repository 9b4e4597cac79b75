package io.kvtier.flight;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.frame.DecodeLimits;
import java.time.Duration;

/**
 * Where the service listens, and its limits.
 *
 * @param host address to bind
 * @param port 0 = any free one
 * @param messageBytesMax longest message taken, so the longest frame of a put, too
 * @param headerBytesMax longest headers of a call
 * @param sliceBytes about so many bytes go into one reply of a segment stream
 * @param inFlightBytesMax bytes handed to the network and not yet sent, over all streams
 * @param inboundBytesMax bytes received and not yet processed, over all streams
 * @param requestsMax requests of one stream that may wait
 * @param callsMax calls of one connection at once
 * @param idle a stream whose client says nothing for so long is cut
 * @param stall a stream whose client reads nothing for so long is cut
 * @param bytesPerSecond of the link that streams share, and of which readers are told; 0 = unknown
 * @param streamsMax exchanges and gets at once, all clients together
 * @param decodeLimits what is believed of frames
 */
public record FlightOptions(
        String host,
        int port,
        int messageBytesMax,
        int headerBytesMax,
        int sliceBytes,
        long inFlightBytesMax,
        long inboundBytesMax,
        int requestsMax,
        int callsMax,
        Duration idle,
        Duration stall,
        long bytesPerSecond,
        int streamsMax,
        DecodeLimits decodeLimits) {
    /** Checks ranges. */
    public FlightOptions {
        check(port >= 0 && port <= 65535, "port", port, "0..65535");
        check(messageBytesMax >= 64 << 10, "messageBytesMax", messageBytesMax, "65536 or more");
        check(headerBytesMax >= 1024, "headerBytesMax", headerBytesMax, "1024 or more");
        check(
                sliceBytes >= 1024 && sliceBytes <= messageBytesMax / 2,
                "sliceBytes",
                sliceBytes,
                "1024.." + messageBytesMax / 2);
        check(inFlightBytesMax >= sliceBytes, "inFlightBytesMax", inFlightBytesMax, "a slice");
        check(inboundBytesMax >= messageBytesMax, "inboundBytesMax", inboundBytesMax, "a message");
        check(requestsMax >= 1 && callsMax >= 1, "requestsMax, callsMax", requestsMax, "1 or more");
        check(idle.isPositive() && stall.isPositive(), "idle, stall", idle, "positive");
        check(bytesPerSecond >= 0, "bytesPerSecond", bytesPerSecond, "0 or more");
        check(streamsMax >= 1, "streamsMax", streamsMax, "1 or more");
    }

    /** Loopback with the usual limits. */
    public static FlightOptions loopback(int port) {
        return new FlightOptions(
                "127.0.0.1",
                port,
                16 << 20,
                16 << 10,
                1 << 20,
                256L << 20,
                512L << 20,
                1024,
                64,
                Duration.ofMinutes(5),
                Duration.ofSeconds(30),
                0,
                1024,
                DecodeLimits.defaults());
    }

    /** The same at another address. */
    public FlightOptions withAddress(String newHost, int newPort) {
        return new FlightOptions(
                newHost,
                newPort,
                messageBytesMax,
                headerBytesMax,
                sliceBytes,
                inFlightBytesMax,
                inboundBytesMax,
                requestsMax,
                callsMax,
                idle,
                stall,
                bytesPerSecond,
                streamsMax,
                decodeLimits);
    }

    /** The same with other limits of time. */
    public FlightOptions withPatience(Duration newIdle, Duration newStall) {
        return new FlightOptions(
                host,
                port,
                messageBytesMax,
                headerBytesMax,
                sliceBytes,
                inFlightBytesMax,
                inboundBytesMax,
                requestsMax,
                callsMax,
                newIdle,
                newStall,
                bytesPerSecond,
                streamsMax,
                decodeLimits);
    }

    /** The same with another size of replies. */
    public FlightOptions withSliceBytes(int newSliceBytes) {
        return new FlightOptions(
                host,
                port,
                messageBytesMax,
                headerBytesMax,
                newSliceBytes,
                inFlightBytesMax,
                inboundBytesMax,
                requestsMax,
                callsMax,
                idle,
                stall,
                bytesPerSecond,
                streamsMax,
                decodeLimits);
    }

    /** The same with another longest message. */
    public FlightOptions withMessageBytesMax(int newMessageBytesMax) {
        return new FlightOptions(
                host,
                port,
                newMessageBytesMax,
                headerBytesMax,
                Math.min(sliceBytes, newMessageBytesMax / 2),
                inFlightBytesMax,
                inboundBytesMax,
                requestsMax,
                callsMax,
                idle,
                stall,
                bytesPerSecond,
                streamsMax,
                decodeLimits);
    }

    /** The same with a link of another rate, for at most so many streams. */
    public FlightOptions withLink(long newBytesPerSecond, int newStreamsMax) {
        return new FlightOptions(
                host,
                port,
                messageBytesMax,
                headerBytesMax,
                sliceBytes,
                inFlightBytesMax,
                inboundBytesMax,
                requestsMax,
                callsMax,
                idle,
                stall,
                newBytesPerSecond,
                newStreamsMax,
                decodeLimits);
    }
}
