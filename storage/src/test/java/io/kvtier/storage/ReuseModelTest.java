package io.kvtier.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class ReuseModelTest {
    private final ReuseModel model = new ReuseModel();

    @Test
    void worth_nothingSeen_isTheSameForAll() {
        double first = worth(0, 0);
        assertThat(first).isPositive();
        for (int uses = 0; uses < ReuseModel.CLASSES; uses++) {
            for (int seconds = 0; seconds < 1_000_000; seconds = 3 * seconds + 1) {
                assertThat(worth(uses, seconds)).isEqualTo(first);
            }
        }
    }

    @Test
    void worth_reusesAfterAboutAMinute_fallsOnlyAfterIt() {
        for (int i = 0; i < 1000; i++) {
            model.reused(0, seconds(60));
            model.forgotten(0, seconds(1000));
        }
        model.fit();

        assertThat(worth(0, 50)).isEqualTo(worth(0, 1));
        assertThat(worth(0, 100)).isLessThan(worth(0, 50) / 10);
        // In the bin from 45.25 to 64 s, 1,000 were used again in the middle and 1,000 went on.
        double hazard = 1000.02 / (18.745 * 1500 + 200);
        assertThat(worth(0, 0)).isCloseTo(hazard, withinPercentage(0.1));
    }

    @Test
    void worth_neverRisesWithAgeNorFallsWithUses() {
        Random random = new Random(5);
        for (int i = 0; i < 20_000; i++) {
            int uses = random.nextInt(ReuseModel.CLASSES);
            long age = seconds(1) * (1L << random.nextInt(18)) + random.nextInt(1_000_000_000);
            if (random.nextInt(3) == 0) {
                model.reused(uses, age);
            } else {
                model.forgotten(uses, age);
            }
        }
        model.fit();
        for (int uses = 0; uses < ReuseModel.CLASSES; uses++) {
            for (int age = 1; age < 1_000_000; age = 2 * age + 1) {
                assertThat(worth(uses, age)).isLessThanOrEqualTo(worth(uses, age / 2));
                if (uses > 0) {
                    assertThat(worth(uses, age)).isGreaterThanOrEqualTo(worth(uses - 1, age));
                }
            }
        }
    }

    @Test
    void forget_oftenEnough_followsALoadThatChanged() {
        for (int i = 0; i < 1000; i++) {
            model.reused(0, seconds(10));
            model.forgotten(1, seconds(100));
        }
        model.fit();
        double before = worth(0, 0);
        for (int i = 0; i < 200; i++) {
            model.forget();
            model.forgotten(0, seconds(100));
        }
        model.fit();

        assertThat(worth(0, 0)).isLessThan(before / 5);
    }

    private double worth(int uses, long seconds) {
        return model.worth(uses, seconds(seconds));
    }

    private static long seconds(long count) {
        return TimeUnit.SECONDS.toNanos(count);
    }
}
