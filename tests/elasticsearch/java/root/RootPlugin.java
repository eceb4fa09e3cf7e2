package test;

import java.util.Collection;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.apache.lucene.util.Version;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/** Answers GET /: from 8.11 on that route lives in a module that Maven lacks. */
public class RootPlugin extends Plugin implements ActionPlugin {
  public Collection<RestHandler> getRestHandlers(
      Settings settings, NamedWriteableRegistry registry, RestController controller,
      ClusterSettings clusterSettings, IndexScopedSettings indexSettings, SettingsFilter filter,
      IndexNameExpressionResolver resolver, Supplier<DiscoveryNodes> nodes,
      Predicate<NodeFeature> features) {
    return List.of(new BaseRestHandler() {
      public String getName() {
        return "main_action";
      }

      public List<Route> routes() {
        return List.of(
            new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
      }

      protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        return channel -> {
          XContentBuilder answer = channel.newBuilder().startObject();
          answer.field("name", client.settings().get("node.name"));
          answer.field("cluster_name", client.settings().get("cluster.name"));
          answer.field("cluster_uuid", "test");
          answer.startObject("version");
          answer.field("number", Build.current().version());
          answer.field("build_flavor", "default");
          answer.field("lucene_version", Version.LATEST.toString());
          answer.endObject();
          answer.field("tagline", "You Know, for Search").endObject();
          channel.sendResponse(new RestResponse(RestStatus.OK, answer));
        };
      }
    });
  }
}
