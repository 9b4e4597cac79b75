package io.kvtier.node;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.storage.policy.Trace;
import io.kvtier.storage.policy.Trace.Request;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A trace of requests in the form that the Mooncake project publishes (Qin et al., FAST 2025): one
 * JSON object a line, of which {@code timestamp} (ms) and {@code hash_ids} (the prompt's blocks)
 * are read.
 */
final class TraceFile {
    private static final int BLOCKS_MAX = 1 << 20;

    private TraceFile() {}

    /**
     * Reads a file.
     *
     * @throws InvalidRequestException naming the line that is no request
     */
    static Trace read(Path file) throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        List<Request> requests = new ArrayList<>();
        long before = 0;
        try (BufferedReader lines = Files.newBufferedReader(file)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                Request request = request(mapper, line, file + ":" + (requests.size() + 1), before);
                before = request.millis();
                requests.add(request);
            }
        }
        InvalidRequestException.check(
                requests.size() >= 2, "requests of " + file, requests.size(), "at least 2");
        return new Trace(List.copyOf(requests));
    }

    private static Request request(ObjectMapper mapper, String line, String where, long before)
            throws IOException {
        JsonNode node;
        try {
            node = mapper.readTree(line);
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            throw new InvalidRequestException(where + " is no JSON: " + e.getOriginalMessage());
        }
        JsonNode time = node.path("timestamp");
        JsonNode ids = node.path("hash_ids");
        InvalidRequestException.check(
                time.canConvertToLong() && time.asLong() >= before,
                "timestamp of " + where,
                time,
                "milliseconds, at least those of the line before, " + before);
        InvalidRequestException.check(
                ids.isArray() && ids.size() <= BLOCKS_MAX,
                "hash_ids of " + where,
                ids.getNodeType(),
                "an array of at most " + BLOCKS_MAX);
        long[] blocks = new long[ids.size()];
        for (int i = 0; i < blocks.length; i++) {
            InvalidRequestException.check(
                    ids.get(i).canConvertToLong(), "hash_ids of " + where, ids.get(i), "integers");
            blocks[i] = ids.get(i).asLong();
        }
        return new Request(time.asLong(), blocks);
    }
}
