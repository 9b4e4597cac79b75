package io.kvtier.codec.method;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.List;

/**
 * A chain of stages under a name: a way to code a chunk that the survey, or somebody else, can ask
 * for.
 *
 * @param name of the method with its rate, unique among those that are compared
 * @param paper where it comes from
 * @param stages in the order of encoding, from floats to bytes
 */
public record Method(String name, String paper, List<Stage> stages) {
    /** Checks that each stage takes what the one before makes, and that bytes come out. */
    public Method {
        stages = List.copyOf(stages);
        Planes.Form form = Planes.Form.FLOATS;
        for (Stage stage : stages) {
            String what = "what stage " + stage.name() + " of method " + name + " takes";
            check(stage.accepts() == form, what, stage.accepts(), form + ", made before it");
            form = stage.produces();
        }
        check(form == Planes.Form.BYTES, "what method " + name + " makes", form, "BYTES");
    }
}
