// Why this file exists: every campaign uses all cores by itself and starts processes that wait for none; side by side they would only starve each other and
// make a machine's load look like a fault of the store. Invariants: one campaign runs at a time.

[assembly: CollectionBehavior(DisableTestParallelization = true)]
