"""What Python programs rely on: answers, errors as exceptions, handles that stay safe. Needs SOURCEOS_STATESTORE_LIBRARY, or the library on the loader's path."""

import json
import os
import shutil
import tempfile
import threading
import unittest

import sourceos_statestore as ss


def note(name, **more):
    return {"schema": "sourceos.object-record/v1alpha1", "object_id": name, "object_type": "note", "profile_id": "profile:personal", **more}


class StoreTests(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.path = os.path.join(self.root, "store")
        ss.init(self.path, device="device:test", actor="actor:tester").close()

    def tearDown(self):
        shutil.rmtree(self.root)

    def open(self):
        return ss.open_write(self.path, actor="actor:tester")

    def test_what_is_committed_is_read_listed_logged_and_explained(self):
        with self.open() as store:
            before = store.sequence
            receipt = store.commit([ss.put(note("note:ä/1", title="héllo"), 0), ss.put(note("note:2")), ss.event("app.opened", "note:2", {"n": 1})])
            self.assertEqual(receipt["status"], "committed")
            self.assertEqual(store.sequence, before + 3)
            got = store.get("object", "note:ä/1")
            self.assertEqual(got["record"]["title"], "héllo")
            self.assertEqual([item["id"] for item in store.list("objects")], ["note:2", "note:ä/1"])
            events = list(store.log(before + 1))
            self.assertEqual([item["type"] for item in events], ["sync.object.created", "sync.object.created", "app.opened"])
            self.assertEqual(events[2]["data"], {"n": 1})
            self.assertEqual([item["sequence"] for item in store.log(1, event_type="app.opened")], [before + 3])
            self.assertEqual(len(store.explain("note:2")["answers"]), 11)
            self.assertEqual(store.status()["sequence"], before + 3)
            store.commit([ss.delete("object", "note:2")])
            with self.assertRaises(ss.NotFoundError):
                store.get("object", "note:2")
            self.assertEqual(store.get("object", "note:2", at=before + 2)["id"], "note:2")
        with ss.open_read(self.path, actor="actor:tester") as again:
            self.assertEqual(again.get("object", "note:ä/1")["record"]["title"], "héllo")

    def test_pages_are_walked_to_the_end(self):
        with self.open() as store:
            store.commit([ss.put(note(f"note:{i:05}")) for i in range(2500)])
            self.assertEqual([item["id"] for item in store.list("object")], [f"note:{i:05}" for i in range(2500)])
            self.assertEqual([item["sequence"] for item in store.log()], list(range(1, store.sequence + 1)))

    def test_errors_are_exceptions_with_what_to_do(self):
        with self.open() as store:
            store.commit([ss.put(note("note:1"))])
            with self.assertRaises(ss.RefusedError) as refused:
                store.commit([ss.put(note("note:1"), 0)])
            self.assertEqual(refused.exception.code, "conflict")
            self.assertNotEqual(refused.exception.next, "")
            for bad in ([{"put": {"schema": "none"}}], [{"pot": {}}], [{"delete": {"kind": "x", "id": "y"}}], [ss.put(note(""))], [{"event": "app.x", "data": 1, "more": 2}]):
                with self.assertRaises(ss.BadDataError):
                    store.commit(bad)
            with self.assertRaises(ss.RefusedError):
                store.commit([ss.event("sync.object.created")])
            with self.assertRaises(ss.LockedError):
                self.open()
            with self.assertRaises(ss.BadDataError):
                store.get("nothing", "x")
            with self.assertRaises(ss.BadDataError):
                store.get("object", "\ud800")
        with self.assertRaises(ss.ClosedError):
            store.sequence
        store.close()
        with self.assertRaises(ss.NotFoundError):
            ss.open_read(os.path.join(self.root, "none"))
        with self.assertRaises(ss.RefusedError):
            ss.open_read(self.path, actor="actor:nobody")
        with ss.open_read(self.path, actor="actor:tester") as reader:
            with self.assertRaises(ss.UsageError):
                reader.commit([ss.put(note("note:2"))])

    def test_a_store_is_checked_proven_and_repaired(self):
        with self.open() as store:
            sequence = store.commit([ss.put(note("note:1"))])["sequence"]
            proof = json.loads(store.prove_event(sequence))
            self.assertTrue(proof)
            self.assertTrue(json.loads(store.prove_consistency(1, 2)))
            self.assertEqual(len(store.checkpoint().splitlines()) >= 3, True)
            with self.assertRaises(ss.NotFoundError):
                store.prove_event(sequence + 1)
        self.assertEqual(ss.verify(self.path)["verdict"], "clean")
        self.assertEqual(ss.verify(self.path, "quick")["verdict"], "clean")
        self.assertTrue(ss.boot_check(self.path).verified)
        shutil.rmtree(os.path.join(self.path, "state"))
        self.assertNotEqual(ss.verify(self.path)["verdict"], "clean")
        plan = ss.repair_plan(self.path)
        self.assertTrue(plan["steps"])
        with self.assertRaises(ss.RefusedError):
            ss.repair_apply(self.path, "0" * 64)
        self.assertEqual(ss.repair_apply(self.path, plan["planHash"], actor="actor:tester")["outcome"], "repaired")
        self.assertEqual(ss.verify(self.path)["verdict"], "clean")
        self.assertFalse(ss.boot_check(os.path.join(self.root, "none")).verified)
        with self.assertRaises(ValueError):
            ss.verify(self.path, "deepest")

    def test_many_threads_commit_and_read_at_once(self):
        faults = []
        with self.open() as store:
            def work(worker):
                try:
                    for i in range(20):
                        store.commit([ss.put(note(f"note:{worker}:{i}"))])
                        store.get("object", f"note:{worker}:{i}")
                except Exception as fault:  # the test reports whatever it was
                    faults.append(fault)
            threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(faults, [])
            self.assertEqual(len(list(store.list("object"))), 160)

    def test_a_forked_child_is_told_so_and_the_parent_goes_on(self):
        with self.open() as store:
            child = os.fork()
            if child == 0:
                try:
                    store.get("object", "note:1")
                except ss.ForkedError:
                    os._exit(7)
                finally:
                    os._exit(8)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 7)
            self.assertEqual(store.commit([ss.event("app.parent")])["status"], "committed")

    def test_a_store_that_nobody_holds_is_closed(self):
        store = self.open()
        del store
        self.open().close()


if __name__ == "__main__":
    unittest.main()
