package io.kvtier.codec.profile;

/**
 * Upper bounds of what a distortion costs, over held-out contexts.
 *
 * @param distortion per element, in the whitened domain
 * @param dppl relative change of perplexity, a fraction
 */
public record LossPoint(float distortion, float kl, float dppl, float factsLoss) {}
