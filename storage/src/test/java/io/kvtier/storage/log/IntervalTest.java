package io.kvtier.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class IntervalTest {
    @Test
    void code_ofLongerIntervals_neverFallsAndStaysInAByte() {
        int before = Interval.UNKNOWN;
        for (long puts = 1; puts > 0; puts *= 2) {
            int code = Interval.code(puts);
            assertThat(code).isBetween(Math.max(1, before), Interval.CODE_MAX);
            before = code;
        }
        assertThat(Interval.code(1)).isEqualTo(1);
        assertThat(Interval.code(2)).isEqualTo(9);
    }

    @Test
    void blend_ofEqualIntervals_comesToThem() {
        int code = Interval.blend(Interval.UNKNOWN, 1_000_000);
        assertThat(code).isEqualTo(Interval.code(1_000_000));
        for (int i = 0; i < 40; i++) {
            code = Interval.blend(code, 100);
        }
        assertThat(code - Interval.code(100)).isBetween(0, 2);
    }

    @Test
    void classOf_growingIntervals_goesThroughAllClassesUpToTheCountOfValues() {
        int values = 6400;
        assertThat(Interval.classOf(Interval.UNKNOWN, 4, values)).isEqualTo(-1);
        assertThat(Interval.classOf(Interval.code(10), 4, values)).isZero();
        assertThat(Interval.classOf(Interval.code(200), 4, values)).isEqualTo(1);
        assertThat(Interval.classOf(Interval.code(800), 4, values)).isEqualTo(2);
        assertThat(Interval.classOf(Interval.code(3200), 4, values)).isEqualTo(3);
        assertThat(Interval.classOf(Interval.code(12_800), 4, values)).isEqualTo(-1);
        assertThat(Interval.classOf(Interval.code(10), 0, values)).isEqualTo(-1);
        assertThat(Interval.classOf(Interval.code(10), 4, 0)).isEqualTo(-1);
    }
}
