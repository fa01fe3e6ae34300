"""A real Apache Kafka: one node in KRaft mode on loopback, with a data directory of its own.

Its jars come from Maven Central through the machine's mvn, once per build folder. Without java or
mvn the whole test is reported as skipped (exit code 77); in CI that is a failure."""
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ports import free_port

VERSION = "3.9.1"
CLUSTER = "cXVlbGwtdGVzdC1jbHVzdA"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>quell</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId>
      <version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


def skip(words):
    print("skipped:", words, flush=True)
    os._exit(1 if os.environ.get("CI") else 77)  # unittest would take a SystemExit for a failure


def want_jars():
    """The folder with Kafka's jars; ends the test when they cannot be had."""
    for tool in ("java", "mvn", "kcat"):
        if shutil.which(tool) is None:
            skip(f"no {tool} on this machine")
    folder = os.path.join(os.environ["QUELL_BUILD"], "kafka-" + VERSION)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = os.path.join(folder, ".complete")
        if os.path.exists(marker):
            return folder
        with open(os.path.join(folder, "pom.xml"), "w") as file:
            file.write(POM)
        result = subprocess.run(["mvn", "-q", "-B", "dependency:copy-dependencies",
                                 "-DoutputDirectory=" + folder], cwd=folder, capture_output=True,
                                text=True, timeout=500)
        if result.returncode != 0:
            skip("mvn cannot get Kafka: " + result.stdout[-300:])
        open(marker, "w").close()
    return folder


class Broker:
    """start, stop, kill and start again on the same port and data."""

    def __init__(self, start=True, properties=None, cluster=CLUSTER):
        self.jars = want_jars()
        self.directory = tempfile.mkdtemp(prefix="quell-kafka-")
        self.port, self.controller = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = None
        self.write_config(properties or {})
        self.java(["kafka.tools.StorageTool", "format", "-t", cluster, "-c", self.config])
        if start:
            self.start()

    def write_config(self, more):
        self.config = os.path.join(self.directory, "server.properties")
        self.properties = {
            "process.roles": "broker,controller", "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},"
                         f"CONTROLLER://127.0.0.1:{self.controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": os.path.join(self.directory, "data"),
            "offsets.topic.replication.factor": "1", "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1",
            # So that one that was killed is let in again soon.
            "broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "0", "auto.create.topics.enable": "false",
            "log.retention.check.interval.ms": "500", "message.max.bytes": "16777216",
            "replica.fetch.max.bytes": "16777216", **more,
        }
        self.save_config()

    def save_config(self):
        with open(self.config, "w") as file:
            file.writelines(f"{key}={value}\n" for key, value in self.properties.items())

    def add_listener(self, name, protocol):
        """One more way in, at the address `listener`; before the start."""
        self.listener = f"127.0.0.1:{free_port()}"
        for key, value in (("listeners", f"{name}://{self.listener}"),
                           ("advertised.listeners", f"{name}://{self.listener}"),
                           ("listener.security.protocol.map", f"{name}:{protocol}")):
            self.properties[key] += "," + value
        self.save_config()

    def java(self, command, text=None):
        """One of Kafka's own tools."""
        result = subprocess.run([*self.java_command(), *command], input=text,
                                capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, (command, result.stdout[-2000:], result.stderr[-2000:])
        return result.stdout

    def java_command(self, heap="256m"):
        return ["java", "-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", self.jars + "/*"]

    def start(self):
        with open(os.path.join(self.directory, "log"), "a") as log:
            self.process = subprocess.Popen(
                [*self.java_command("512m"), "kafka.Kafka", self.config], stdout=log, stderr=log)
        deadline = time.time() + 90
        while time.time() < deadline:
            assert self.process.poll() is None, self.read_log()
            try:
                self.kcat("-L", "-m", "2")
                return
            except AssertionError:
                time.sleep(0.1)
        raise AssertionError("Kafka does not answer: " + self.read_log())

    def read_log(self):
        with open(os.path.join(self.directory, "log")) as file:
            return file.read()[-4000:]

    def stop(self, signal_number=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal_number)
            self.process.wait(60)

    def ensure(self):
        """Runs, whatever a test did to it."""
        if self.process.poll() is not None:
            self.start()

    def kill(self):
        self.stop(signal.SIGKILL)

    def close(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kcat(self, *arguments, text=None):
        result = subprocess.run(["kcat", "-b", self.address, *arguments], input=text,
                                capture_output=True, timeout=120,
                                text=not isinstance(text, bytes))
        assert result.returncode == 0, (arguments, result.stderr)
        return result.stdout

    def create(self, topic, partitions=1, **settings):
        command = ["org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.address,
                   "--create", "--topic", topic, "--partitions", str(partitions),
                   "--replication-factor", "1"]
        for key, value in settings.items():
            command += ["--config", f"{key.replace('_', '.')}={value}"]
        self.java(command)

    def produce(self, topic, lines, *arguments):
        """One message a line, by kcat; arguments such as -p 1, -H tenant=acme, -z lz4."""
        self.kcat("-P", "-t", topic, "-X", "sticky.partitioning.linger.ms=0", *arguments,
                  text="".join(line + "\n" for line in lines))

    def end_offsets(self, topic):
        """How many messages each partition holds, by number: nothing is ever deleted here."""
        text = self.java(["org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server",
                          self.address, "--topic", topic])
        return {int(line.split(":")[1]): int(line.split(":")[2]) for line in text.split()}


class ConsoleProducer:
    """Kafka's own console producer: idempotent, goes on through a broker's restarts."""

    def __init__(self, broker, topic):
        self.process = subprocess.Popen(
            [*broker.java_command(), "kafka.tools.ConsoleProducer", "--bootstrap-server",
             broker.address, "--topic", topic, "--timeout", "20",
             "--producer-property", "enable.idempotence=true",
             "--producer-property", "acks=all",
             "--producer-property", "delivery.timeout.ms=240000",
             "--producer-property", "max.block.ms=240000",
             "--producer-property", "reconnect.backoff.max.ms=500"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def write(self, lines):
        self.process.stdin.write("".join(line + "\n" for line in lines))
        self.process.stdin.flush()

    def close(self):
        """Waits until everything is acknowledged."""
        _, errors = self.process.communicate(timeout=240)
        assert self.process.returncode == 0, errors[-2000:]
        return errors
