package dockerfile

import (
	"regexp"
	"slices"
	"strings"
)

const (
	nop      = "#(nop)"
	buildKit = "# buildkit"
	scratch  = "scratch"
)

// names are the instructions of the Dockerfile reference, sorted.
var names = []string{"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
	"MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}

// Names lists the instructions in alphabetical order.
func Names() []string { return slices.Clone(names) }

// Guess writes the Dockerfile that an image's history (the created_by texts, oldest first) hints at. It starts
// with FROM and the base image that the image names (empty: scratch, since the history then reaches to the
// bottom); every further line is one instruction, or a remark for a layer that a tool made without any.
//
// It knows what the classic builder and buildah record (commands of a shell, everything else behind "#(nop)"),
// what BuildKit and kaniko record (instructions by name, BuildKit with "# buildkit" behind those that made a
// layer), the marks of tools that build without a Dockerfile (Bazel, ko, Jib, apko, Nix, buildpacks) and takes
// anything else for a RUN. The config of the image is the better source for user, ports and the like.
func Guess(history []string, base string) string {
	var out strings.Builder
	out.WriteString("FROM " + baseName(base) + "\n")
	g := guesser{}
	for _, createdBy := range history {
		// A backslash at the end would continue the line.
		if line := strings.TrimRight(g.line(createdBy), "\\ "); line != "" && out.Len()+len(line) < MaxBytes {
			out.WriteString(line)
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// reference is as much of the grammar of image references as keeps a base name one word.
var reference = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,511}$`)

func baseName(base string) string {
	if reference.MatchString(base) {
		return base
	}
	return scratch
}

// guesser remembers the shell that SHELL has set, which commands are recorded with from then on.
type guesser struct{ shell string }

// tools are texts of tools that make layers without a Dockerfile.
var tools = regexp.MustCompile(`^(?:bazel|ko|apko|melange|umoci|crane|nix|nixpkgs|dockerTools|skopeo|mkosi|debuerreotype|rules_oci|kbld)(?: |:|$)` +
	`|^[Jj]ib(?:-[a-z]+)*(?::|$| )|^Buildpacks |^(?:Application|Launcher|Software Bill-of-Materials)(?: |$)|^store paths: `)

// line turns one record into one line.
func (g *guesser) line(createdBy string) string {
	if len(createdBy) > MaxBytes {
		return "" // no line would hold it
	}
	text := oneLine(createdBy)
	text = strings.TrimSpace(strings.TrimSuffix(text, buildKit))
	if text == "" || text[0] == '#' { // a remark of the tool that made the root file system
		return ""
	}
	if before, after, found := strings.Cut(text, nop); found && g.bare(before) {
		return g.named(strings.TrimSpace(after))
	}
	if name, _ := cutBlank(text); slices.Contains(names, name) {
		return g.named(text)
	}
	if tools.MatchString(text) {
		return "# " + text
	}
	return g.run(text)
}

// bare: nothing but a shell and its flags.
func (g *guesser) bare(text string) bool {
	text = strings.TrimSpace(text) + " "
	return g.cutShell(text) == ""
}

// named finishes an instruction recorded by name.
func (g *guesser) named(text string) string {
	name, args := cutBlank(text)
	args = strings.TrimSpace(args)
	switch name {
	case "RUN":
		return g.run(args)
	case "EXPOSE", "VOLUME":
		args = list(args)
	case "CMD", "ENTRYPOINT":
		args = exec(args)
	case "SHELL":
		args = g.setShell(args)
	case "HEALTHCHECK":
		args = healthcheck(args)
	case "ONBUILD":
		if inner, _ := cutBlank(args); inner == name {
			return "" // no builder takes one inside another (Dockerfile reference, "ONBUILD")
		}
		args = g.named(args)
	}
	if args == "" {
		return "" // an instruction without arguments is none
	}
	return name + " " + args
}

// run strips flags, build arguments and the shell off a recorded command.
func (g *guesser) run(text string) string {
	flags := text[:flagsEnd(text)]
	text = text[len(flags):]
	text = strings.TrimSpace(g.cutShell(g.cutArguments(text)))
	if text == "" {
		return ""
	}
	return "RUN " + flags + text
}

// flagsEnd is where the flags of an instruction end, blanks behind them included.
func flagsEnd(text string) int {
	at := 0
	for strings.HasPrefix(text[at:], "--") {
		next := strings.IndexByte(text[at:], ' ')
		if next < 0 {
			return len(text)
		}
		for at += next; at < len(text) && text[at] == ' '; at++ {
		}
	}
	return at
}

var (
	// shells is how the usual ones are called: /bin/sh -c, /bin/bash -o pipefail -c, /bin/ash -eo pipefail -c, and
	// on Windows cmd and PowerShell.
	shells = regexp.MustCompile(`^(?:(?:/[\w./-]*/)?(?:ba|a|da|z|k)?sh(?: -[A-Za-z]+| pipefail| errexit| nounset)* -[a-z]*c(?: |$)` +
		`|(?:[Cc]md|cmd\.exe) /[Ss] /[Cc](?: |$)|(?:powershell|pwsh)(?:\.exe)?(?: -[A-Za-z]+)* -[Cc]ommand(?: |$))`)
	// arguments is the count before build arguments: |2 A=1 B=2 /bin/sh -c …
	arguments = regexp.MustCompile(`^\|[0-9]+ `)
)

func (g *guesser) cutShell(text string) string {
	if g.shell != "" {
		if rest, ok := strings.CutPrefix(text, g.shell+" "); ok {
			return rest
		}
	}
	return text[len(shells.FindString(text)):]
}

// cutArguments drops build arguments. They end where the shell begins; values may hold blanks.
func (g *guesser) cutArguments(text string) string {
	head := arguments.FindString(text)
	if head == "" {
		return text
	}
	rest := text[len(head):]
	for at := 0; at < len(rest); {
		if g.cutShell(rest[at:]) != rest[at:] {
			return rest[at:]
		}
		next := strings.IndexByte(rest[at:], ' ')
		if next < 0 {
			break
		}
		at += next + 1
	}
	return rest
}

// list rewrites the Go values builders record: map[80/tcp:{} 443/tcp:{}] and [80/tcp 443/tcp].
func list(args string) string {
	inner, ok := strings.CutPrefix(args, "map[")
	if !ok {
		inner, ok = strings.CutPrefix(args, "[")
	}
	if !ok || strings.HasPrefix(inner, `"`) {
		return args
	}
	words := strings.Fields(strings.TrimSuffix(inner, "]"))
	for i := range words {
		words[i] = strings.TrimSuffix(words[i], ":{}")
	}
	return strings.Join(words, " ")
}

// setShell remembers a shell and writes it as the JSON array the instruction wants: [/bin/bash -o pipefail -c].
func (g *guesser) setShell(args string) string {
	inner, opened := strings.CutPrefix(args, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !opened || !closed || strings.ContainsAny(inner, `"'\`) {
		return args
	}
	words := strings.Fields(inner)
	g.shell = strings.Join(words, " ")
	for i := range words {
		words[i] = `"` + words[i] + `"`
	}
	return "[" + strings.Join(words, ", ") + "]"
}

var (
	// goList is a list of strings as Go prints it: ["nginx" "-g" "daemon off;"], at times within &{ and }.
	goList = regexp.MustCompile(`^(?:&\{)?\[((?:"(?:[^"\\]|\\.)*" ?)+)\](?:\})?$`)
	quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
)

// exec rewrites a command recorded as a Go value into the JSON array it was written as.
func exec(args string) string {
	if m := goList.FindStringSubmatch(args); m != nil {
		return "[" + strings.Join(quoted.FindAllString(m[1], -1), ", ") + "]"
	}
	return args
}

// oneLine keeps a recorded text on one line, as no line of a guess may continue.
func oneLine(text string) string {
	return strings.TrimSpace(strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ").Replace(text))
}
