package io.kvtier.node.sim;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * What one policy made of one request.
 *
 * @param trace name of the link's trace
 * @param met whether every chunk was usable by the deadline
 * @param distortion weighted squared error that was left, NaN when the deadline was missed
 * @param bytes received by the deadline
 */
public record PolicyScore(
        String trace,
        double deadlineMs,
        String policy,
        boolean met,
        double distortion,
        long bytes) {
    /** A JSON array; the distortion of a missed deadline is null. */
    public static String json(List<PolicyScore> scores) {
        ArrayNode out = new ObjectMapper().createArrayNode();
        for (PolicyScore score : scores) {
            ObjectNode row = out.addObject();
            row.put("trace", score.trace);
            row.put("deadlineMs", Math.round(score.deadlineMs * 10) / 10.0);
            row.put("policy", score.policy).put("met", score.met);
            if (Double.isNaN(score.distortion)) {
                row.putNull("distortion");
            } else {
                row.put("distortion", Math.round(score.distortion * 10) / 10.0);
            }
            row.put("bytes", score.bytes);
        }
        return out.toString();
    }
}
