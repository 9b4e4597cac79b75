package io.kvtier.flight;

import java.util.List;

/**
 * What a service has counted since it started, and what is under way.
 *
 * @param streams segment and put streams under way
 * @param queued requests of all streams that wait
 * @param openCalls calls whose memory is not all given back
 * @param leakedCalls calls that had not given their memory back 30 s after their end
 * @param inFlightBytes handed to the network and not yet sent
 * @param inFlightBytesMax the limit of these
 * @param sentBytesPerSecond over the last few seconds
 * @param deadlinesMet requests with a deadline that were answered whole within it
 * @param deadlinesMissed requests with a deadline that passed before the last byte was sent
 * @param queueTime from a request's arrival to the begin of its answer
 * @param answerTime from a request's arrival to the hand-over of the last byte of its answer
 * @param series by tenant and namespace
 * @param running segment streams under way, the newest first, a few
 */
public record ServiceReport(
        int streams,
        int queued,
        int openCalls,
        long leakedCalls,
        long inFlightBytes,
        long inFlightBytesMax,
        long sentBytesPerSecond,
        long deadlinesMet,
        long deadlinesMissed,
        TimeReport queueTime,
        TimeReport answerTime,
        List<SeriesReport> series,
        List<StreamReport> running) {}
