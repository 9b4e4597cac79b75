package io.kvtier.codec.method.policy;

import java.util.List;

/**
 * Tags tokens that look like parts of entities, from their strings alone: every token with a digit,
 * every word that begins with a capital inside a sentence (or a number anywhere), and the tokens
 * that complete such a word, together with as many tokens after it as {@code successors} says,
 * since what is said of a name mostly follows it.
 *
 * <p>Strings are as a tokenizer decodes them: a leading space (or its stand-ins U+0120 and U+2581)
 * begins a word. A capital right behind {@code . ! ?} or a line break begins a sentence and says
 * nothing.
 *
 * @param successors tokens after an entity that are tagged with it
 */
public record EntityTagger(int successors) {
    /** 1 for each token of an entity, else 0: {@link io.kvtier.codec.method.Hint#ENTITY}. */
    public float[] tag(List<String> tokens) {
        float[] out = new float[tokens.size()];
        boolean sentence = true;
        boolean entity = false;
        int following = 0;
        for (int i = 0; i < out.length; i++) {
            String token = tokens.get(i).replace('\u0120', ' ').replace('\u2581', ' ');
            String text = token.strip();
            boolean begins = i == 0 || !token.equals(token.stripLeading());
            boolean word = !text.isEmpty() && Character.isLetter(text.codePointAt(0));
            boolean number = text.codePoints().anyMatch(Character::isDigit);
            boolean name =
                    begins && !sentence && word && Character.isUpperCase(text.codePointAt(0));
            boolean completes = entity && word && !begins;
            entity = number || name || completes;
            following = entity ? successors + 1 : following;
            out[i] = following > 0 ? 1 : 0;
            following = Math.max(0, following - 1);
            sentence = endsSentence(token, text) || (sentence && text.isEmpty());
        }
        return out;
    }

    private static boolean endsSentence(String token, String text) {
        return token.indexOf('\n') >= 0
                || text.endsWith(".")
                || text.endsWith("!")
                || text.endsWith("?");
    }
}
