// Why this file exists: turns a recorded run into the disk contents that a crash at each of its moments may leave behind. Invariants: the same trace,
// step, seed and index give the same image; the first images of a step are the systematic ones (all lost, all kept, each thing alone, each block torn).

namespace SourceOS.StateStore.Testing;

/// <summary>A recorded run over an initial directory.</summary>
public sealed class CrashTrace
{
    private const int SectorBytes = 512;

    private readonly List<Action<DiskModel>> _initial = [];
    private readonly List<TraceStep> _steps = [];
    private DiskModel? _model;
    private int _modelStep;
    private int _nextFileId;

    /// <summary>What happened.</summary>
    public IReadOnlyList<TraceStep> Steps => _steps;

    /// <summary>Marks made before a moment.</summary>
    /// <param name="step">0 for before the first step.</param>
    public IEnumerable<object> Marks(int step) => _steps.Take(step).OfType<TraceStep.Mark>().Select(static mark => mark.Value);

    /// <summary>The moments at which crashes differ: after each change, and before each sync.</summary>
    public IEnumerable<int> CrashSteps()
    {
        yield return 0;
        for (int step = 1; step <= _steps.Count; step++)
        {
            if (_steps[step - 1] is not TraceStep.Mark || step == _steps.Count)
            {
                yield return step;
            }
        }
    }

    /// <summary>Possible disk contents after a crash when the first steps had happened and the next had not. Ascending steps are cheap.</summary>
    /// <param name="step">How many steps had happened, 0 to the number of steps.</param>
    /// <param name="seed">Seed of the drawn images.</param>
    /// <param name="maxImages">How many images at most.</param>
    public IReadOnlyList<CrashImage> Images(int step, int seed, int maxImages)
    {
        DiskModel model = ModelAt(step);
        List<CrashImage> images = [];
        foreach ((string label, CrashChoice choice) in Choices(CountPending(model.Root), step, seed, maxImages))
        {
            if (images.Count >= maxImages)
            {
                break;
            }

            images.Add(Draw(model, step, label, choice));
        }

        return images;
    }

    /// <summary>
    /// Like <see cref="Images"/>, but thorough: every subset of what is pending when that is little, with each thing torn besides; otherwise each thing
    /// alone kept, lost or torn, pairs of them, and drawn ones. The images are made as they are asked for.
    /// </summary>
    /// <param name="step">How many steps had happened.</param>
    /// <param name="seed">Seed of what is sampled and drawn.</param>
    /// <param name="subsetBits">Up to how many pending things every subset is made.</param>
    /// <param name="maxSampled">How many images at most where not every subset is made.</param>
    public IEnumerable<CrashImage> AllImages(int step, int seed, int subsetBits = 10, int maxSampled = 200)
    {
        DiskModel model = ModelAt(step);
        int pending = CountPending(model.Root);
        IEnumerable<(string Label, CrashChoice Choice)> choices = pending <= subsetBits
            ? Subsets(pending, step + seed)
            : Sampled(pending, step, seed, maxSampled);
        foreach ((string label, CrashChoice choice) in choices)
        {
            yield return Draw(model, step, label, choice);
        }
    }

    internal int NewFileId() => _nextFileId++;

    internal void Add(TraceStep step) => _steps.Add(step);

    internal void AddInitialDirectory(string path) => _initial.Add(model => model.AddInitialDirectory(path));

    internal int AddInitialFile(string path, byte[] content)
    {
        int fileId = NewFileId();
        _initial.Add(model => model.AddInitialFile(path, fileId, content));
        return fileId;
    }

    private static IEnumerable<(string Label, CrashChoice Choice)> Choices(int pending, int step, int seed, int maxImages)
    {
        yield return ("nothing pending kept", new CrashChoice.Uniform(keep: false));
        if (pending == 0)
        {
            yield break;
        }

        yield return ("everything pending kept", new CrashChoice.Uniform(keep: true));

        // When there are too many for half of the images, a sample of them is taken, another one at each step.
        int systematic = pending * 4;
        int stride = Math.Max(1, systematic / Math.Max(1, maxImages / 2));
        for (int i = stride == 1 ? 0 : new Random(HashSeed(seed, step, -1)).Next(stride); i < systematic; i += stride)
        {
            yield return Systematic(i / 4, i % 4, pending, step + seed);
        }

        for (int i = 0; ; i++)
        {
            yield return ($"drawn with seed {seed}, number {i}", new CrashChoice.Drawn(new Random(HashSeed(seed, step, i))));
        }
    }

    private static IEnumerable<(string Label, CrashChoice Choice)> Subsets(int pending, int variety)
    {
        for (int mask = 0; mask < 1 << pending; mask++)
        {
            int kept = mask;
            yield return ($"subset {mask:x} of {pending}", new CrashChoice.Subset(thing => (kept & (1 << thing)) != 0));
        }

        for (int thing = 0; thing < pending; thing++)
        {
            yield return Systematic(thing, 2, pending, variety);
            yield return Systematic(thing, 3, pending, variety);
        }
    }

    private static IEnumerable<(string Label, CrashChoice Choice)> Sampled(int pending, int step, int seed, int maxSampled)
    {
        yield return ("nothing pending kept", new CrashChoice.Uniform(keep: false));
        yield return ("everything pending kept", new CrashChoice.Uniform(keep: true));
        List<Func<(string Label, CrashChoice Choice)>> systematic = [];
        for (int i = 0; i < pending * 4; i++)
        {
            int number = i;
            systematic.Add(() => Systematic(number / 4, number % 4, pending, step + seed));
        }

        for (int i = 0; i < pending; i++)
        {
            for (int j = i + 1; j < pending; j++)
            {
                (int first, int second) = (i, j);
                systematic.Add(() => ($"only things {first} and {second} of {pending} kept", new CrashChoice.Subset(thing => thing == first || thing == second)));
                systematic.Add(() => ($"only things {first} and {second} of {pending} lost", new CrashChoice.Subset(thing => thing != first && thing != second)));
            }
        }

        Random random = new(HashSeed(seed, step, -1));
        if (systematic.Count > maxSampled)
        {
            random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(systematic));
        }

        foreach (Func<(string Label, CrashChoice Choice)> choice in systematic.Take(maxSampled * 2 / 3))
        {
            yield return choice();
        }

        for (int i = 0; i < maxSampled / 3; i++)
        {
            yield return ($"drawn with seed {seed}, number {i}", new CrashChoice.Drawn(new Random(HashSeed(seed, step, i))));
        }
    }

    private static (string Label, CrashChoice Choice) Systematic(int thing, int variant, int pending, int variety)
    {
        int sectors = 1 + ((variety + thing) & int.MaxValue) % 7;
        byte prefix = (byte)((1 << sectors) - 1);
        return variant switch
        {
            0 => ($"only thing {thing} of {pending} kept", new CrashChoice.Uniform(keep: false, thing)),
            1 => ($"only thing {thing} of {pending} lost", new CrashChoice.Uniform(keep: true, thing)),
            2 => ($"thing {thing} of {pending} torn after {sectors} sectors, others kept", new CrashChoice.Uniform(keep: true, thing, prefix)),
            _ => ($"thing {thing} of {pending} torn after {sectors} sectors, others lost", new CrashChoice.Uniform(keep: false, thing, prefix)),
        };
    }

    // System.HashCode differs from process to process, which would make a printed seed useless.
    private static int HashSeed(int seed, int step, int index) => unchecked((((seed * 486187739) + step) * 486187739) + index);

    private static int CountPending(DiskDirectory root)
    {
        Counter counter = new();
        Draw(root, counter, "", [], [], []);
        return counter.Count;
    }

    private static CrashImage Draw(DiskModel model, int step, string label, CrashChoice choice)
    {
        List<string> directories = [];
        Dictionary<string, CrashImageFile> files = [];
        Draw(model.Root, choice, "", directories, files, []);
        return new CrashImage(step, label, directories, files);
    }

    private static void Draw(
        DiskDirectory directory,
        CrashChoice choice,
        string prefix,
        List<string> directories,
        Dictionary<string, CrashImageFile> files,
        Dictionary<DiskFile, CrashImageFile> drawn)
    {
        Dictionary<string, DiskNode> names = new(directory.Durable);
        foreach (DirectoryChange change in directory.Pending)
        {
            if (choice.KeepsChange())
            {
                DiskDirectory.Apply(names, change);
            }
        }

        // Every node that any choice could make visible is asked, so that the number of questions does not depend on the answers.
        foreach ((string key, DiskNode node) in Reachable(directory))
        {
            bool isVisible = names.TryGetValue(key, out DiskNode? visible) && ReferenceEquals(visible, node);
            if (node is DiskFile file)
            {
                // A file that was renamed has two possible names but one content.
                if (!drawn.TryGetValue(file, out CrashImageFile? image))
                {
                    image = drawn[file] = Draw(file, choice);
                }

                if (isVisible)
                {
                    files[prefix + key] = image;
                }
            }
            else
            {
                List<string> innerDirectories = [prefix + key];
                Dictionary<string, CrashImageFile> innerFiles = [];
                Draw((DiskDirectory)node, choice, $"{prefix}{key}/", innerDirectories, innerFiles, drawn);
                if (isVisible)
                {
                    directories.AddRange(innerDirectories);
                    foreach ((string path, CrashImageFile innerImage) in innerFiles)
                    {
                        files[path] = innerImage;
                    }
                }
            }
        }
    }

    private static IEnumerable<(string Name, DiskNode Node)> Reachable(DiskDirectory directory)
    {
        HashSet<(string, DiskNode)> seen = [];
        IEnumerable<(string Name, DiskNode Node)> all = directory.Durable.Select(static pair => (pair.Key, pair.Value))
            .Concat(directory.Pending.SelectMany(static change => change.Parts).Where(static part => part.Target is not null).Select(static part => (part.Name, part.Target!)));
        return all.Where(seen.Add).OrderBy(static pair => pair.Name, StringComparer.Ordinal).ToArray();
    }

    private static CrashImageFile Draw(DiskFile file, CrashChoice choice)
    {
        int chosenLength = file.Lengths.Count == 0 ? 0 : choice.Length(file.Lengths.Count);
        long length = chosenLength == 0 ? file.DurableLength : file.Lengths[chosenLength - 1];
        byte[]?[] blocks = file.CopyDurable();
        foreach ((int block, List<byte[]?> versions) in file.Versions)
        {
            byte[]? durable = block < blocks.Length ? blocks[block] : null;
            (int first, int other, byte otherSectors) = choice.Block(versions.Count);
            byte[]? content = Mix(Version(first), Version(other), otherSectors);
            if (block >= blocks.Length && content is not null)
            {
                Array.Resize(ref blocks, block + 1);
            }

            if (block < blocks.Length)
            {
                blocks[block] = content;
            }

            byte[]? Version(int number) => number == 0 ? durable : versions[number - 1];
        }

        return new CrashImageFile(length, blocks);
    }

    private static byte[]? Mix(byte[]? first, byte[]? other, byte otherSectors)
    {
        if (otherSectors == 0 || ReferenceEquals(first, other))
        {
            return first;
        }

        byte[] mixed = first is null ? new byte[DiskFile.BlockBytes] : (byte[])first.Clone();
        for (int sector = 0; sector < 8; sector++)
        {
            if ((otherSectors & (1 << sector)) != 0)
            {
                Span<byte> target = mixed.AsSpan(sector * SectorBytes, SectorBytes);
                if (other is null)
                {
                    target.Clear();
                }
                else
                {
                    other.AsSpan(sector * SectorBytes, SectorBytes).CopyTo(target);
                }
            }
        }

        return mixed;
    }

    private DiskModel ModelAt(int step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(step, _steps.Count);
        if (_model is null || _modelStep > step)
        {
            _model = new DiskModel();
            _modelStep = 0;
            foreach (Action<DiskModel> add in _initial)
            {
                add(_model);
            }
        }

        for (; _modelStep < step; _modelStep++)
        {
            _model.Apply(_steps[_modelStep]);
        }

        return _model;
    }

    private sealed class Counter : CrashChoice
    {
        public int Count { get; private set; }

        public override (int Base, int Other, byte OtherSectors) Block(int versions)
        {
            Count++;
            return default;
        }

        public override int Length(int versions)
        {
            Count++;
            return 0;
        }

        public override bool KeepsChange()
        {
            Count++;
            return false;
        }
    }
}
