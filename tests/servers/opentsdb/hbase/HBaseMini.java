import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.HConstants;
import org.apache.hadoop.hbase.LocalHBaseCluster;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.ColumnFamilyDescriptorBuilder;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.TableDescriptorBuilder;
import org.apache.hadoop.hbase.util.Bytes;
import org.apache.hadoop.hbase.zookeeper.MiniZooKeeperCluster;

/**
 * One JVM with ZooKeeper, an HBase master and a region server on the local file system, plus the
 * four OpenTSDB tables. Usage: HBaseMini DATA_DIR ZK_PORT [hbase.key=value...]. Writes DATA_DIR/ready once usable.
 */
public final class HBaseMini {
  public static void main(String[] args) {
    try {
      run(args);
    } catch (Throwable t) {
      t.printStackTrace();
    }
    Runtime.getRuntime().halt(1); // other threads would keep the JVM alive
  }

  private static void run(String[] args) throws Exception {
    Path data = Path.of(args[0]).toAbsolutePath();
    int zkPort = Integer.parseInt(args[1]);
    Path ready = data.resolve("ready");
    Files.createDirectories(data);

    Configuration conf = HBaseConfiguration.create();
    conf.set("hbase.rootdir", data.resolve("hbase").toUri().toString());
    conf.set("hbase.tmp.dir", data.resolve("tmp").toString());
    conf.set("hbase.wal.provider", "filesystem");
    conf.setBoolean("hbase.unsafe.stream.capability.enforce", false); // local file system
    conf.set(HConstants.ZOOKEEPER_QUORUM, "127.0.0.1");
    conf.setInt(HConstants.ZOOKEEPER_CLIENT_PORT, zkPort);
    // All names and sockets on the loop-back, ports picked by the kernel, no web UIs.
    conf.set("hbase.unsafe.regionserver.hostname", "localhost");
    conf.set("hbase.master.hostname", "localhost");
    conf.set("hbase.master.ipc.address", "127.0.0.1");
    conf.set("hbase.regionserver.ipc.address", "127.0.0.1");
    conf.setInt(HConstants.MASTER_PORT, 0);
    conf.setInt(HConstants.REGIONSERVER_PORT, 0);
    conf.setInt(HConstants.MASTER_INFO_PORT, -1);
    conf.setInt(HConstants.REGIONSERVER_INFO_PORT, -1);
    // Start sooner: the master waits for one region server, which reports in at once.
    conf.setInt("hbase.master.wait.on.regionservers.mintostart", 1);
    conf.setInt("hbase.master.wait.on.regionservers.maxtostart", 1);
    conf.setInt("hbase.regionserver.msginterval", 100);
    conf.setInt("hbase.client.pause", 50);
    // A restart on old data waits until the previous run's ZooKeeper session has expired.
    conf.setInt(HConstants.ZK_SESSION_TIMEOUT, 15_000);
    conf.setInt("hbase.master.start.timeout.localHBaseCluster", 180_000);
    // One region per table for good: TSDs drop points ("Please throttle writes") during a split.
    conf.set(HConstants.HBASE_REGION_SPLIT_POLICY_KEY,
        "org.apache.hadoop.hbase.regionserver.DisabledRegionSplitPolicy");

    for (String setting : Arrays.copyOfRange(args, 2, args.length)) {
      String[] pair = setting.split("=", 2);
      conf.set(pair[0], pair[1]);
    }

    MiniZooKeeperCluster zk = new MiniZooKeeperCluster(conf);
    zk.setDefaultClientPort(zkPort);
    int bound = zk.startup(data.resolve("zookeeper").toFile());
    if (bound != zkPort) {
      throw new IllegalStateException("port " + zkPort + " is taken (got " + bound + ")");
    }
    LocalHBaseCluster cluster = new LocalHBaseCluster(conf, 1);
    cluster.startup();

    try (Connection connection = ConnectionFactory.createConnection(conf);
        Admin admin = connection.getAdmin()) {
      createTable(admin, "tsdb", "t");
      createTable(admin, "tsdb-uid", "id", "name");
      createTable(admin, "tsdb-tree", "t");
      createTable(admin, "tsdb-meta", "name");
    }
    Files.writeString(ready, "127.0.0.1:" + zkPort + "\n");
    System.out.println("READY zkquorum=127.0.0.1:" + zkPort);

    while (cluster.getLiveRegionServers().size() > 0) { // join() would print a thread dump a minute
      Thread.sleep(500);
    }
    Thread.sleep(10_000); // after a SIGTERM, HBase's own hooks end the JVM first
    System.err.println("the region server is gone");
  }

  private static void createTable(Admin admin, String table, String... families) throws Exception {
    TableName name = TableName.valueOf(table);
    if (admin.tableExists(name)) {
      return;
    }
    TableDescriptorBuilder descriptor = TableDescriptorBuilder.newBuilder(name);
    for (String family : families) {
      descriptor.setColumnFamily(ColumnFamilyDescriptorBuilder.newBuilder(Bytes.toBytes(family)).build());
    }
    admin.createTable(descriptor.build());
  }
}
