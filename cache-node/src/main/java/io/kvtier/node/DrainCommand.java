package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.codec.wire.ControlReply;
import io.kvtier.codec.wire.Member;
import io.kvtier.codec.wire.MemberCommand;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvtier drain}: places nothing new on a node, which goes on serving what it holds. */
@Command(
        name = "drain",
        description = "Place nothing new on a node; it goes on serving what it holds.",
        mixinStandardHelpOptions = true)
final class DrainCommand implements Callable<Integer> {
    @Mixin private NodeAddress address = new NodeAddress();

    @Parameters(paramLabel = "NODE", description = "Its name in the cluster.")
    private String node = "";

    @Option(names = "--resume", description = "Take a draining node back in.")
    private boolean resume;

    @Option(names = "--forget", description = "Forget a node that is down for good.")
    private boolean forget;

    @Override
    public Integer call() {
        MemberCommand.Verb verb =
                forget
                        ? MemberCommand.Verb.FORGET
                        : resume ? MemberCommand.Verb.RESUME : MemberCommand.Verb.DRAIN;
        ControlReply reply =
                ClusterLeader.send(
                        address.endpoints(),
                        address.options(),
                        new MemberCommand(verb, node),
                        address.deadline());
        if (reply.status() != ControlReply.Status.DONE) {
            throw new CommandException(ExitCode.USAGE, reply.message());
        }
        long epoch = reply.map().map(map -> map.epoch()).orElse(0L);
        String state =
                reply.map()
                        .flatMap(map -> map.member(node))
                        .map(Member::state)
                        .map(Member.State::name)
                        .orElse("FORGOTTEN");
        if (address.json()) {
            System.out.println(
                    new ObjectMapper()
                            .createObjectNode()
                            .put("node", node)
                            .put("state", state)
                            .put("epoch", epoch));
        } else {
            System.out.println(node + " is " + state + " since epoch " + epoch);
        }
        return ExitCode.OK;
    }
}
