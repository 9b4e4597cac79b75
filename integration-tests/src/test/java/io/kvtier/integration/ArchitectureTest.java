package io.kvtier.integration;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ThreadLocalRandom;

/**
 * The arrows between modules, who may touch which library, and what only a clock may do.
 *
 * <p>A rule may match nothing while its package is still empty, hence {@code allowEmptyShould}.
 */
@AnalyzeClasses(packages = "io.kvtier", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {

    private static final String CODEC = "io.kvtier.codec..";
    private static final String CONFIG = "io.kvtier.config..";
    private static final String STORAGE = "io.kvtier.storage..";
    private static final String CLIENT = "io.kvtier.client..";
    private static final String FLIGHT = "io.kvtier.flight..";
    private static final String NODE = "io.kvtier.node..";

    @ArchTest
    static final ArchRule codec_isALeaf =
            forbid(CODEC, CONFIG, STORAGE, CLIENT, FLIGHT, NODE).because("codec is pure");

    @ArchTest
    static final ArchRule config_isALeaf =
            forbid(CONFIG, CODEC, STORAGE, CLIENT, FLIGHT, NODE).because("config knows no sibling");

    @ArchTest
    static final ArchRule storage_isALeaf =
            forbid(STORAGE, CODEC, CONFIG, CLIENT, FLIGHT, NODE).because("chunks are bytes to it");

    @ArchTest
    static final ArchRule client_seesOnlyCodec =
            forbid(CLIENT, CONFIG, STORAGE, FLIGHT, NODE).because("client depends on codec only");

    @ArchTest
    static final ArchRule flightService_seesOnlyCodecAndStorage =
            forbid(FLIGHT, CONFIG, CLIENT, NODE).because("only cache-node joins the modules");

    @ArchTest static final ArchRule rocksDb_onlyInStorage = confine("org.rocksdb..", STORAGE);

    @ArchTest
    static final ArchRule caffeine_onlyInStorage = confine("com.github.benmanes..", STORAGE);

    @ArchTest static final ArchRule grpc_onlyOnTheWire = confine("io.grpc..", CLIENT, FLIGHT);

    @ArchTest
    static final ArchRule arrowFlight_onlyOnTheWire =
            confine("org.apache.arrow.flight..", CLIENT, FLIGHT);

    @ArchTest static final ArchRule aeron_onlyInNode = confine("io.aeron..", NODE);

    @ArchTest static final ArchRule picocli_onlyInNode = confine("picocli..", NODE);

    @ArchTest static final ArchRule logback_onlyInNode = confine("ch.qos.logback..", NODE);

    @ArchTest static final ArchRule prometheus_onlyInNode = confine("io.prometheus..", NODE);

    @ArchTest
    static final ArchRule httpServer_onlyInNode = confine("com.sun.net.httpserver..", NODE);

    @ArchTest
    static final ArchRule codec_logsNothing =
            forbid(CODEC, "org.slf4j..", "java.util.logging..").because("codec is pure");

    @ArchTest
    static final ArchRule onlyNodeAndBenchmarks_print =
            noClasses()
                    .that()
                    .resideOutsideOfPackages(NODE, "io.kvtier.benchmarks..")
                    .should()
                    .accessTargetWhere(member(System.class, Set.of("out", "err")))
                    .allowEmptyShould(true);

    @ArchTest
    static final ArchRule time_comesFromAClock =
            noClasses()
                    .that(
                            DescribedPredicate.describe(
                                    "are not part of a type named *Clock",
                                    type -> !outermostName(type).endsWith("Clock")))
                    .should()
                    .accessTargetWhere(
                            member(System.class, Set.of("currentTimeMillis", "nanoTime")))
                    .orShould()
                    .accessTargetWhere(
                            DescribedPredicate.describe(
                                    "target is java.time's now()",
                                    access ->
                                            access.getTargetOwner()
                                                            .getPackageName()
                                                            .equals("java.time")
                                                    && access.getName().equals("now")))
                    .because("time comes in through the constructor, so that tests can set it")
                    .allowEmptyShould(true);

    @ArchTest
    static final ArchRule nothing_sleeps =
            noClasses()
                    .should()
                    .accessTargetWhere(member(Thread.class, Set.of("sleep")))
                    .because("waits have a condition and a deadline")
                    .allowEmptyShould(true);

    @ArchTest
    static final ArchRule randomness_comesFromOutside =
            noClasses()
                    .should()
                    .callConstructor(Random.class)
                    .orShould()
                    .accessTargetWhere(member(ThreadLocalRandom.class, Set.of("current")))
                    .orShould()
                    .accessTargetWhere(member(Math.class, Set.of("random")))
                    .because("a RandomGenerator comes in through the constructor")
                    .allowEmptyShould(true);

    @ArchTest
    static final ArchRule commonPool_isNotUsed =
            noClasses()
                    .should()
                    .accessTargetWhere(member(ForkJoinPool.class, Set.of("commonPool")))
                    .because("executors come in through the constructor")
                    .allowEmptyShould(true);

    @ArchTest
    static final ArchRule packages_haveNoCycles =
            slices().matching("io.kvtier.(**)").should().beFreeOfCycles().allowEmptyShould(true);

    /** Classes of {@code from} must not depend on any of {@code targets}. */
    private static ArchRule forbid(String from, String... targets) {
        return noClasses()
                .that()
                .resideInAPackage(from)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(targets)
                .allowEmptyShould(true);
    }

    /** Only classes in {@code homes} may depend on {@code library}. */
    private static ArchRule confine(String library, String... homes) {
        return noClasses()
                .that(DescribedPredicate.not(resideInAnyPackage(homes)))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(library)
                .allowEmptyShould(true);
    }

    /** Matches calls, method references and field reads alike. */
    private static DescribedPredicate<JavaAccess<?>> member(Class<?> owner, Set<String> names) {
        return DescribedPredicate.describe(
                "target is one of " + Map.of(owner.getSimpleName(), names),
                access ->
                        access.getTargetOwner().isEquivalentTo(owner)
                                && names.contains(access.getName()));
    }

    private static String outermostName(JavaClass type) {
        String name = type.getName().substring(type.getPackageName().length() + 1);
        int inner = name.indexOf('$');
        return inner < 0 ? name : name.substring(0, inner);
    }
}
