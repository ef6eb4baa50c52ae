// Why this file exists: the eleven answers as data, the same for people, programs and tests.

namespace SourceOS.StateStore.Governance.Explain;

/// <summary>One of the eleven answers.</summary>
/// <param name="Number">1 to 11.</param>
/// <param name="Question">The question.</param>
/// <param name="Value">The answer as a stable word or identifier.</param>
/// <param name="Sentence">The answer for people.</param>
/// <param name="Evidence">What it follows from: `event:12`, `record:object/id@12`, `rule:name`, `root:hex`.</param>
public sealed record ExplainAnswer(int Number, string Question, string Value, string Sentence, IReadOnlyList<string> Evidence);

/// <summary>What the store can say about an object. Immutable.</summary>
/// <param name="ObjectId">The object.</param>
/// <param name="AsOf">The sequence that the answers are true for.</param>
/// <param name="Answers">Eleven answers, in order.</param>
public sealed record ExplainReport(string ObjectId, ulong AsOf, IReadOnlyList<ExplainAnswer> Answers);
