package org.elasticsearch.node;

import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;

/**
 * Starts one real Elasticsearch node (8.6 to 9.5) from the jars: EsNode HOME key=value...
 * Patched into the server's module, whose own entry point wants a distribution's folders.
 */
public class EsNode {
  public static void main(String[] args) throws Exception {
    Path home = Path.of(args[0]);
    for (String folder : List.of("config", "data", "logs", "modules", "plugins")) {
      Files.createDirectories(home.resolve(folder));
    }
    Settings.Builder settings = Settings.builder()
        .put("path.home", home.toString())
        .put("path.data", home.resolve("data").toString())
        .put("path.logs", home.resolve("logs").toString());
    for (int i = 1; i < args.length; i++) {
      String[] pair = args[i].split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    String name = settings.get("node.name");
    LogConfigurator.setNodeName(name);
    LogConfigurator.configureESLogging();
    Node node = build(InternalSettingsPreparer.prepareEnvironment(
        settings.build(), Map.of(), home.resolve("config"), () -> name));
    node.start();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        node.close();
      } catch (Exception e) {
        e.printStackTrace();
      }
    }));
    System.out.println("started " + name);
    Thread.currentThread().join();
  }

  /** Up to 8.11: Node(Environment). Later: Node(NodeConstruction), from 8.17 or so with a PluginsLoader. */
  static Node build(Environment environment) throws Exception {
    Class<?> construction;
    try {
      construction = Class.forName("org.elasticsearch.node.NodeConstruction");
    } catch (ClassNotFoundException e) {
      return Node.class.getConstructor(Environment.class).newInstance(environment);
    }
    Constructor<?> provider =
        Class.forName("org.elasticsearch.node.NodeServiceProvider").getDeclaredConstructor();
    provider.setAccessible(true);
    for (Method method : construction.getDeclaredMethods()) {
      if (!method.getName().equals("prepareConstruction")) continue;
      method.setAccessible(true);
      Object prepared = method.getParameterCount() == 3
          ? method.invoke(null, environment, provider.newInstance(), true)
          : method.invoke(null, environment, loader(environment), provider.newInstance(), true);
      Constructor<?> constructor = Node.class.getDeclaredConstructor(construction);
      constructor.setAccessible(true);
      return (Node) constructor.newInstance(prepared);
    }
    throw new IllegalStateException("no prepareConstruction");
  }

  static Object loader(Environment environment) throws Exception {
    Class<?> type = Class.forName("org.elasticsearch.plugins.PluginsLoader");
    Object modules = bundles(type, "loadModulesBundles", folder(environment, "modules"));
    Object plugins = bundles(type, "loadPluginsBundles", folder(environment, "plugins"));
    for (Method method : type.getMethods()) {
      if (method.getName().equals("createPluginsLoader") && method.getParameterCount() == 3) {
        return method.invoke(null, modules, plugins, Map.of());
      }
    }
    throw new IllegalStateException("no createPluginsLoader");
  }

  static Object bundles(Class<?> type, String method, Path path) throws Exception {
    try {
      return type.getMethod(method, Path.class).invoke(null, path);
    } catch (NoSuchMethodException e) { // from 9.3 on or so
      return type.getMethod(method, Path.class, boolean.class).invoke(null, path, false);
    }
  }

  static Path folder(Environment environment, String what) throws Exception {
    for (String name : List.of(what + "Dir", what + "File")) {
      try {
        return (Path) Environment.class.getMethod(name).invoke(environment);
      } catch (NoSuchMethodException e) {
        // the other name
      }
    }
    throw new IllegalStateException(what);
  }
}
