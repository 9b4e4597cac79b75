package io.kvtier.codec.profile;

import java.util.Optional;

/**
 * The second transform of a deep profile (docs/format.md section 4): over the leading components of
 * all groups, less what the chunk's token ids predict of them.
 *
 * @param leading components that each group gives
 * @param shared the transform as a group, whose channels are those components, group after group;
 *     it has no layers and no heads
 * @param prediction empty when token ids predict nothing
 */
public record DeepTransform(
        int leading, ProfileGroup shared, Optional<TokenPrediction> prediction) {}
