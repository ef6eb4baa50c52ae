// Why this file exists: an assembly's public API as lines that people review in a diff. Invariants: everything that a caller outside can name is there, with types, nullability, defaults and constant values; the order is fixed; what the
// compiler adds to records by itself is left out.

using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Architecture.Tests.Support;

/// <summary>Writes an assembly's public API.</summary>
internal static class ApiText
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
    private static readonly NullabilityInfoContext s_nullability = new();

    /// <summary>The lines: each type, and below it its members.</summary>
    internal static List<string> Of(Assembly assembly)
    {
        List<string> lines = [];
        foreach (Type type in assembly.GetTypes().Where(IsVisible).OrderBy(static type => type.FullName, StringComparer.Ordinal))
        {
            lines.AddRange(Of(type));
        }

        return lines;
    }

    /// <summary>The lines of one type.</summary>
    internal static IEnumerable<string> Of(Type type)
    {
        IEnumerable<string> members = type.IsEnum
            ? type.GetFields(BindingFlags.Public | BindingFlags.Static).Select(static field => $"{field.Name} = {Convert.ToString(field.GetRawConstantValue(), CultureInfo.InvariantCulture)}")
            : type.GetMembers(Declared).Select(Member).OfType<string>();
        return [Head(type), .. members.Order(StringComparer.Ordinal).Select(static member => "    " + member)];
    }

    private static bool IsVisible(Type type) => type.IsNested ? (type.IsNestedPublic || type.IsNestedFamily || type.IsNestedFamORAssem) && IsVisible(type.DeclaringType!) : type.IsPublic;

    private static bool IsVisible(MethodBase? method) => method is not null && (method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly);

    private static string Head(Type type)
    {
        string kind = type.IsEnum ? "enum" : type.IsInterface ? "interface" : typeof(Delegate).IsAssignableFrom(type) ? "delegate" : type.IsValueType ? "struct" : "class";
        bool isRecord = type.GetMethod("<Clone>$", Declared) is not null;
        string modifiers = (type.IsAbstract && type.IsSealed ? "static " : type.IsAbstract && kind == "class" ? "abstract " : type.IsSealed && kind == "class" ? "sealed " : "")
            + (type.GetCustomAttribute<IsReadOnlyAttribute>() is not null ? "readonly " : "") + (type.IsByRefLike ? "ref " : "") + (isRecord ? "record " : "");
        IEnumerable<Type> bases = type.IsEnum ? [Enum.GetUnderlyingType(type)]
            : [.. type.BaseType is { } parent && parent != typeof(object) && parent != typeof(ValueType) && kind == "class" ? [parent] : Type.EmptyTypes, .. type.GetInterfaces().Where(IsVisible).OrderBy(static item => Name(item), StringComparer.Ordinal)];
        string list = string.Join(", ", bases.Select(static item => Name(item)));
        return $"{modifiers}{kind} {Name(type)}{(list.Length > 0 ? " : " + list : "")}{Constraints(type.IsGenericTypeDefinition ? type.GetGenericArguments() : [])}";
    }

    private static string? Member(MemberInfo member) => member switch
    {
        FieldInfo field when field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly => Field(field),
        PropertyInfo property when IsVisible(property.GetMethod) || IsVisible(property.SetMethod) => Property(property),
        EventInfo item when IsVisible(item.AddMethod) => $"event {Name(item.EventHandlerType!)} {item.Name}",
        ConstructorInfo constructor when IsVisible(constructor) && !constructor.IsStatic => $"{Access(constructor)}new({Parameters(constructor)})",
        MethodInfo method when IsVisible(method) && !IsAccessor(method) && method.GetCustomAttribute<CompilerGeneratedAttribute>() is null => Method(method),
        _ => null,
    };

    private static bool IsAccessor(MethodInfo method) => method.IsSpecialName && !method.Name.StartsWith("op_", StringComparison.Ordinal);

    private static string Field(FieldInfo field)
    {
        string type = Name(field.FieldType, s_nullability.Create(field));
        string value = field.IsLiteral ? " = " + Value(field.GetRawConstantValue()) : "";
        return $"{(field.IsPublic ? "" : "protected ")}{(field.IsLiteral ? "const " : field.IsStatic ? "static " : "")}{(field.IsInitOnly ? "readonly " : "")}{type} {field.Name}{value}";
    }

    private static string Property(PropertyInfo property)
    {
        MethodInfo shown = IsVisible(property.GetMethod) ? property.GetMethod! : property.SetMethod!;
        bool isInit = property.SetMethod?.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ?? false;
        string accessors = (IsVisible(property.GetMethod) ? " get;" : "") + (IsVisible(property.SetMethod) ? $" {(shown.IsPublic && !property.SetMethod!.IsPublic ? "protected " : "")}{(isInit ? "init;" : "set;")}" : "");
        string required = property.GetCustomAttribute<RequiredMemberAttribute>() is not null ? "required " : "";
        string index = string.Join(", ", property.GetIndexParameters().Select(Parameter));
        return $"{Access(shown)}{Modifiers(shown)}{required}{Name(property.PropertyType, s_nullability.Create(property))} {(index.Length > 0 ? $"this[{index}]" : property.Name)} {{{accessors} }}";
    }

    private static string Method(MethodInfo method)
    {
        Type[] arguments = method.IsGenericMethodDefinition ? method.GetGenericArguments() : [];
        string generic = arguments.Length > 0 ? $"<{string.Join(", ", arguments.Select(static argument => argument.Name))}>" : "";
        string extension = method.GetCustomAttribute<ExtensionAttribute>() is not null ? "this " : "";
        return $"{Access(method)}{Modifiers(method)}{Name(method.ReturnType, s_nullability.Create(method.ReturnParameter))} {method.Name}{generic}({extension}{Parameters(method)}){Constraints(arguments)}";
    }

    private static string Access(MethodBase method) => method.IsPublic ? "" : "protected ";

    private static string Modifiers(MethodInfo method)
    {
        bool isOverride = method.GetBaseDefinition().DeclaringType != method.DeclaringType;
        return method.IsStatic ? method.IsAbstract ? "static abstract " : "static "
            : method.DeclaringType!.IsInterface ? method.IsAbstract ? "" : "virtual "
            : isOverride ? "override " : method.IsAbstract ? "abstract " : method.IsVirtual && !method.IsFinal ? "virtual " : "";
    }

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo parameter)
    {
        string way = parameter.IsOut ? "out " : parameter.ParameterType.IsByRef ? parameter.IsIn ? "in " : "ref " : "";
        bool isParams = parameter.GetCustomAttribute<ParamArrayAttribute>() is not null || parameter.GetCustomAttribute<ParamCollectionAttribute>() is not null;
        string scoped = parameter.GetCustomAttributesData().Any(static item => item.AttributeType.Name == "ScopedRefAttribute") ? "scoped " : "";
        string type = Name(parameter.ParameterType, s_nullability.Create(parameter));
        return $"{scoped}{(isParams ? "params " : "")}{way}{type} {parameter.Name}{(parameter.HasDefaultValue ? " = " + Value(parameter.RawDefaultValue) : "")}";
    }

    private static string Constraints(Type[] arguments)
    {
        IEnumerable<string> all = arguments.Select(static argument => (argument.Name, Words: string.Join(", ", Words(argument)))).Where(static item => item.Words.Length > 0).Select(static item => $" where {item.Name} : {item.Words}");
        return string.Concat(all);
    }

    private static IEnumerable<string> Words(Type argument)
    {
        GenericParameterAttributes attributes = argument.GenericParameterAttributes;
        bool isStruct = attributes.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint);
        return
        [
            .. attributes.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint) ? ["class"] : Array.Empty<string>(),
            .. isStruct ? ["struct"] : Array.Empty<string>(),
            .. argument.GetGenericParameterConstraints().Where(static item => item != typeof(ValueType)).Select(static item => Name(item)),
            .. attributes.HasFlag(GenericParameterAttributes.DefaultConstructorConstraint) && !isStruct ? ["new()"] : Array.Empty<string>(),
            .. attributes.HasFlag(GenericParameterAttributes.AllowByRefLike) ? ["allows ref struct"] : Array.Empty<string>(),
        ];
    }

    private static string Value(object? value) => value switch
    {
        null => "null",
        string text => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}\"",
        bool word => word ? "true" : "false",
        char character => $"'{character}'",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    private static string Name(Type type, NullabilityInfo? nullability = null)
    {
        if (type.IsByRef)
        {
            return Name(type.GetElementType()!, nullability);
        }

        // Of a type parameter, reflection cannot tell T from T?.
        string mark = nullability is not null && !type.IsGenericParameter && !type.IsValueType && !type.IsPointer && nullability.ReadState == NullabilityState.Nullable ? "?" : "";
        if (type.IsArray)
        {
            return $"{Name(type.GetElementType()!, nullability?.ElementType)}[{new string(',', type.GetArrayRank() - 1)}]{mark}";
        }

        if (type.IsPointer)
        {
            return Name(type.GetElementType()!) + "*";
        }

        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            return Name(inner) + "?";
        }

        if (type.IsGenericParameter)
        {
            return type.Name + mark;
        }

        string space = type.IsNested ? Name(type.DeclaringType!) + "." : type.Namespace is { Length: > 0 } name && name != "System" ? name + "." : "";
        string plain = type.Name.Split('`')[0];
        int own = type.Name.Contains('`', StringComparison.Ordinal) ? int.Parse(type.Name.Split('`')[1], CultureInfo.InvariantCulture) : 0;
        Type[] arguments = type.GetGenericArguments();
        Type[] shown = arguments[(arguments.Length - own)..];
        NullabilityInfo[] states = nullability?.GenericTypeArguments ?? [];
        string generic = shown.Length == 0 ? "" : $"<{string.Join(", ", shown.Select((argument, i) => Name(argument, states.Length == arguments.Length ? states[arguments.Length - own + i] : null)))}>";
        return space + plain + generic + mark;
    }
}
