package io.kvtier.node.control;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * How a voter talks to the others.
 *
 * @param directory of its log, emptied by nobody; an empty one catches up from the others
 * @param voters all of them in the same order everywhere
 * @param self which of them this one is
 * @param timeout after which followers of a silent leader elect another
 */
record VoterOptions(Path directory, List<Address> voters, int self, Duration timeout) {
    /** Where a voter is: UDP ports from {@code port} on. */
    record Address(String host, int port) {
        String endpoint(int number) {
            return host + ":" + (port + number);
        }
    }

    /** The form in which Aeron Cluster wants them: ingress, consensus, log, catch-up, archive. */
    String members() {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < voters.size(); i++) {
            Address address = voters.get(i);
            out.append(i);
            for (int port = 0; port < 5; port++) {
                out.append(',').append(address.endpoint(port));
            }
            out.append('|');
        }
        return out.toString();
    }

    Address own() {
        return voters.get(self);
    }
}
