// Why this file exists: checking and repairing, as C calls them; they take a path and not a handle, because a store that needs them may not open. Invariants: checking and planning change nothing; a repair does exactly the plan that was
// looked at, and gives nothing up unless it is told that it may.

using System.Text;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Readers.Boot;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Native;

/// <summary>Checks and repairs.</summary>
internal static unsafe class CheckCalls
{
    /// <summary>`ss_verify`.</summary>
    public static int Verify(byte* path, nuint pathLength, int level, NativeBuffer* answer)
    {
        NativeStatus verdict = NativeStatus.Ok;
        int status = NativeCall.Answer(answer, () =>
        {
            string store = RequireStore(NativeText.Path(path, pathLength));
            VerificationLevel wanted = level switch
            {
                0 => VerificationLevel.Quick,
                1 => VerificationLevel.Standard,
                _ => throw NativeException.Usage("'level' is SS_LEVEL_QUICK or SS_LEVEL_STANDARD.", "level"),
            };
            VerificationReport report = StoreVerifier.Run(store, new VerifyOptions { Level = wanted });
            verdict = report.Verdict switch
            {
                VerificationVerdict.Clean => report.IsComplete ? NativeStatus.Ok : NativeStatus.No,
                VerificationVerdict.Damaged => NativeStatus.No,
                _ => NativeStatus.Unsafe,
            };
            return NativeCall.Json(writer => VerificationJson.Write(writer, report));
        });
        return status == (int)NativeStatus.Ok ? (int)verdict : status;
    }

    /// <summary>`ss_repair_plan`.</summary>
    public static int RepairPlan(byte* path, nuint pathLength, NativeBuffer* answer) =>
        NativeCall.Answer(answer, () =>
        {
            RepairPlan plan = StoreRepair.Plan(RequireStore(NativeText.Path(path, pathLength)));
            return NativeCall.Json(writer => RepairPlanJson.Write(writer, plan, null));
        });

    /// <summary>`ss_repair_apply`.</summary>
    public static int RepairApply(byte* path, nuint pathLength, byte* planHash, nuint planHashLength, byte* actor, nuint actorLength, int acceptsLoss, NativeBuffer* answer) =>
        NativeCall.Answer(answer, () =>
        {
            string store = RequireStore(NativeText.Path(path, pathLength));
            string hash = NativeText.OptionalText(planHash, planHashLength, "plan_hash") ?? throw NativeException.Usage("'plan_hash' is NULL.", "plan_hash");
            string who = NativeText.OptionalId(actor, actorLength, "actor") ?? LocalIdentity.ActorOfUser(Environment.UserName);
            RepairPlan plan = StoreRepair.Plan(store);
            if (!string.Equals(plan.PlanHash, hash, StringComparison.OrdinalIgnoreCase))
            {
                throw new NativeException(NativeStatus.Refused, new DoorError("plan_outdated", "The plan does not fit the store as it is now; nothing was changed.", store, Next: "Plan again, look at it, and apply that one."));
            }

            if (plan.IsDestructive && acceptsLoss == 0)
            {
                throw new NativeException(NativeStatus.Refused, new DoorError("loss_not_accepted", $"Nothing was changed: {plan.HumanReview[0]}", store, Next: "Restore a backup if there is one; else accept the loss."));
            }

            // C has no tasks: the caller's thread waits.
            RepairOutcome outcome = StoreRepair.ApplyAsync(store, hash, IdentityOf(store, who), acceptsLoss: acceptsLoss != 0).GetAwaiter().GetResult();
            return NativeCall.Json(writer => RepairPlanJson.Write(writer, plan, outcome));
        });

    /// <summary>`ss_boot_check`.</summary>
    public static int BootCheck(byte* path, nuint pathLength, uint budgetMs, byte* rootKey, nuint rootKeyLength, byte* minRoot, nuint minRootLength, int* verdict, NativeBuffer* answer)
    {
        // Whatever goes wrong, a boot program that looks at the verdict alone sees "review required" and never "verified".
        const int reviewRequired = 10;
        if (verdict is null)
        {
            return NativeCall.Run(static () => throw NativeException.Usage("The place for the verdict is NULL.", "verdict"));
        }

        *verdict = reviewRequired;
        return NativeCall.Answer(answer, () =>
        {
            List<string> arguments = ["--json", "--store", NativeText.Path(path, pathLength)];
            Add(arguments, "--budget-ms", budgetMs == 0 ? null : budgetMs.ToString(System.Globalization.CultureInfo.InvariantCulture));
            Add(arguments, "--root-key", NativeText.OptionalText(rootKey, rootKeyLength, "root_key"));
            Add(arguments, "--min-root", NativeText.OptionalText(minRoot, minRootLength, "min_root"));
            using MemoryStream output = new();
            *verdict = BootCommand.Run(arguments, null, output);
            return output.ToArray();
        });
    }

    private static void Add(List<string> arguments, string name, string? value)
    {
        if (value is not null)
        {
            arguments.Add(name);
            arguments.Add(value);
        }
    }

    private static string RequireStore(string path) => File.Exists(Path.Combine(path, "STORE")) || Directory.Exists(Path.Combine(path, "events"))
        ? path : throw new StateStoreException(StateStoreErrorCode.NotInitialized, "There is no store here.", path);

    // A store that cannot be read cannot say who is registered; then the caller is taken at its word, and the report names it.
    private static SessionIdentity IdentityOf(string path, string actor)
    {
        try
        {
            using StateStore store = StateStore.OpenRead(path);
            using ReadSnapshot snapshot = store.OpenSnapshot();
            LocalIdentityFault fault = LocalIdentity.Resolve(snapshot, actor, new ProfileChoice(PrefersStoreWide: true), out SessionIdentity identity);
            return fault == LocalIdentityFault.None ? identity : throw new NativeException(NativeStatus.Refused, new DoorError(DoorError.SnakeCase(fault.ToString()), $"The actor '{actor}' cannot act here.", $"actor {actor}"));
        }
        catch (StateStoreException)
        {
            return new SessionIdentity(actor);
        }
    }
}
