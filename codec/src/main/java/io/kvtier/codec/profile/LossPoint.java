package io.kvtier.codec.profile;

/**
 * Upper bounds of what a distortion costs, over held-out contexts.
 *
 * @param distortion the largest that these bounds hold for: squared error in the whitened domain
 *     over 2^class, times the planner's importance, per element
 * @param dppl relative change of perplexity, a fraction
 */
public record LossPoint(float distortion, float kl, float dppl, float factsLoss) {}
