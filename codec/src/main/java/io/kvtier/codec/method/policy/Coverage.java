package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;
import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * How much of its prompt a chunk's producer saw, and who left out the rest: a prompt compressor or
 * a model that drops tokens during prefill. Such a chunk is not that of the whole prompt; {@link
 * #salt} keeps their keys apart.
 *
 * @param tokensSeen tokens whose KV was computed
 * @param tokensKept of those, how many the chunk still has
 * @param tokensAsked of the prompt that the caller had
 * @param by names what left tokens out, with its parameters; empty when nothing was
 */
public record Coverage(int tokensAsked, int tokensSeen, int tokensKept, String by) {
    /** Checks the order of the counts. */
    public Coverage {
        check(
                tokensKept >= 0 && tokensKept <= tokensSeen && tokensSeen <= tokensAsked,
                "tokens kept, seen and asked for",
                tokensKept + ", " + tokensSeen + ", " + tokensAsked,
                "rising");
        boolean all = tokensSeen == tokensAsked;
        check(all == by.isEmpty(), "who left tokens out", by, all ? "nobody" : "a name");
    }

    /** Everything computed; what a policy drops afterwards does not change what a chunk is of. */
    public static Coverage whole(int tokens, int kept) {
        return new Coverage(tokens, tokens, kept, "");
    }

    /** What goes into a chunk's key behind its tokens: empty when everything was computed. */
    public byte[] salt() {
        return by.isEmpty() ? new byte[0] : ("coverage " + by).getBytes(UTF_8);
    }
}
