"""The head is lost, the store answers 503, a worker's disk is full."""

import time

import boto3

from .cluster import S3, Cluster, busy
from .hosts import Host
from .recorder import Recorder
from .rows import FAULTS, objects, same_corpus, steps_of


def written(prefix: str) -> dict[str, str]:
    """Key -> when it was written."""
    s3 = boto3.client("s3")
    return {key: str(s3.head_object(Bucket="apollo", Key=key)["LastModified"]) for key in objects(prefix)}


def test_the_head_is_lost_and_the_next_submit_goes_on(
    cluster: Cluster, unbroken_corpus: float, faults: Recorder
) -> None:
    store, work = "s3://apollo/headless", "headless/documents/"
    words = ["few", "documents", f"store={store}"]
    running = cluster.submit(FAULTS, *words)
    running.until(lambda: len(objects(work)) >= 8)
    cluster.head.cut()
    made = written(work)
    running.process.kill()  # whoever waits for the head that is gone waits for nothing
    running.end()
    assert steps_of(FAULTS, "few", f"store={store}")["few"].finished
    assert not steps_of(FAULTS, "documents", f"store={store}")["documents"].finished
    renewing = time.monotonic()
    cluster.renew()
    renewed = time.monotonic() - renewing
    made |= written(work)  # what the workers still finished
    again = cluster.submit(FAULTS, *words)
    again.until(lambda: len(objects(work)) > len(made))
    going_on = time.monotonic() - again.begun
    kept = sum(written(work).get(key) == when for key, when in made.items())
    again.succeed()
    assert "few: finished before" in again.text
    assert kept == len(made)
    faults.record(
        "head, power cut in the middle of corpus; another cluster comes",
        f"the running job; the finished step and all {kept} packs that were prepared are kept. In the end "
        + same_corpus(store),
        f"{renewed:.0f} for the new cluster, {going_on:.0f} from the next submit to the next pack",
        f"unbroken {unbroken_corpus:.0f} s",
    )


def test_a_store_that_answers_503(cluster: Cluster, s3: S3, unbroken_corpus: float, faults: Recorder) -> None:
    with s3.refusing(0.2):
        running = cluster.submit(FAULTS, "documents", "store=s3://apollo/refused")
        taken = running.succeed()
        refused = s3.refused
    assert refused > 20
    faults.record(
        "S3 answers every fifth request with 503",
        same_corpus("s3://apollo/refused"),
        "0: requests are tried again",
        f"{refused} requests refused; {taken:.0f} s, unbroken {unbroken_corpus:.0f} s",
    )


def with_a_small_disk(cluster: Cluster) -> Host:
    """A worker that came back with 64 MiB for Ray's files."""
    small = cluster.workers[1]
    small.power_off()
    small.power_on()
    small.run(["mount", "--mkdir", "-t", "tmpfs", "-o", "size=64m", "tmpfs", "/tmp/ray"])
    cluster.join(small)()
    return small


def fill(host: Host) -> None:
    host.run(["bash", "-c", "cat /dev/zero > /tmp/ray/full; ! echo more > /tmp/ray/more"])


def test_a_workers_disk_is_full(cluster: Cluster, unbroken_corpus: float, faults: Recorder) -> None:
    small = with_a_small_disk(cluster)
    running = cluster.submit(FAULTS, "documents", "store=s3://apollo/full")
    running.until(lambda: len(objects("full/documents/")) >= 8 and busy(small, "_prepare_pack"))
    fill(small)
    made, filled = len(objects("full/documents/")), time.monotonic()
    running.until(lambda: len(objects("full/documents/")) > made)
    going_on = time.monotonic() - filled
    taken = running.succeed()
    small.power_off()
    faults.record(
        "disk of a worker full in the middle of corpus",
        same_corpus("s3://apollo/full"),
        f"{going_on:.1f} until the next pack",
        f"{made} packs were prepared; {taken:.0f} s, unbroken {unbroken_corpus:.0f} s",
    )


def test_a_job_comes_where_a_disk_is_full(cluster: Cluster, unbroken_corpus: float, faults: Recorder) -> None:
    small = with_a_small_disk(cluster)
    fill(small)
    running = cluster.submit(FAULTS, "documents", "store=s3://apollo/fuller")
    code = running.end()
    taken = time.monotonic() - running.begun
    small.power_off()
    if code:
        print(running.text[-6000:])
        assert "No space left on device" in running.text
        assert not steps_of(FAULTS, "documents", "store=s3://apollo/fuller")["documents"].finished
        cluster.replace(small)
        cluster.submit(FAULTS, "documents", "store=s3://apollo/fuller").succeed()
    faults.record(
        "disk of a worker full before a job comes",
        same_corpus("s3://apollo/fuller"),
        f"ends with exit code {code} after {taken:.0f}, naming the full disk" if code else "0",
        "with another disk the next submit goes on" if code else f"{taken:.0f} s, unbroken {unbroken_corpus:.0f} s",
    )
