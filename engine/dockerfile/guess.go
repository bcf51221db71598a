package dockerfile

import (
	"regexp"
	"slices"
	"strings"
)

const (
	shell    = "/bin/sh -c "
	nop      = "#(nop)"
	buildKit = "# buildkit"
)

// names are the instructions of the Dockerfile reference, sorted.
var names = []string{"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
	"MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}

// Names lists the instructions in alphabetical order.
func Names() []string { return slices.Clone(names) }

// Guess writes the Dockerfile that an image's history (the created_by texts, oldest first) hints at. It starts
// with FROM scratch; every further line is one instruction. It knows what the classic builder records (commands
// of a shell, everything else behind "#(nop)"), what BuildKit records (instructions by name, "# buildkit" behind
// those that made a layer) and takes anything else for a RUN. The config of the image is the better source for
// user, ports and the like.
func Guess(history []string) string {
	var out strings.Builder
	out.WriteString("FROM scratch\n")
	for _, createdBy := range history {
		// A backslash at the end would continue the line.
		if line := strings.TrimRight(guessLine(createdBy), "\\ "); line != "" && out.Len()+len(line) < MaxBytes {
			out.WriteString(line)
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// buildArgs is the list of build arguments builders put before a command: |2 A=1 B=2 /bin/sh -c …
var buildArgs = regexp.MustCompile(`^\|[0-9]+ .*?(/bin/sh -c )`)

func guessLine(createdBy string) string {
	text := oneLine(createdBy)
	text = strings.TrimSpace(strings.TrimSuffix(text, buildKit))
	if text == "" || text[0] == '#' { // a remark of the tool that made the root file system
		return ""
	}
	if i := strings.Index(text, nop); i >= 0 && strings.HasPrefix(text, shell) {
		return guessNamed(strings.TrimSpace(text[i+len(nop):]))
	}
	if name, _ := cutBlank(text); slices.Contains(names, name) {
		return guessNamed(text)
	}
	return "RUN " + command(text)
}

// guessNamed finishes an instruction recorded by name.
func guessNamed(text string) string {
	name, args := cutBlank(text)
	args = strings.TrimSpace(args)
	switch name {
	case "RUN":
		args = command(args)
	case "EXPOSE":
		args = ports(args)
	case "HEALTHCHECK":
		args = healthcheck(args)
	}
	return strings.TrimSpace(name + " " + args)
}

// command strips the shell and build arguments off a recorded command.
func command(text string) string {
	if m := buildArgs.FindStringSubmatchIndex(text); m != nil {
		text = text[m[2]:]
	}
	return strings.TrimSpace(strings.TrimPrefix(text, shell))
}

// ports rewrites the Go value builders record: map[80/tcp:{} 443/tcp:{}] and [80/tcp 443/tcp].
func ports(args string) string {
	inner, ok := strings.CutPrefix(args, "map[")
	if !ok {
		inner, ok = strings.CutPrefix(args, "[")
	}
	if !ok {
		return args
	}
	words := strings.Fields(strings.TrimSuffix(inner, "]"))
	for i := range words {
		words[i] = strings.TrimSuffix(words[i], ":{}")
	}
	return strings.Join(words, " ")
}

// healthcheckTest is the test inside the Go value builders record: &{["CMD-SHELL" "curl …"] "30s" …}.
var healthcheckTest = regexp.MustCompile(`^&\{\[((?:"(?:[^"\\]|\\.)*" ?)*)\]`)

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

func healthcheck(args string) string {
	m := healthcheckTest.FindStringSubmatch(args)
	if m == nil {
		return args
	}
	words := quoted.FindAllString(m[1], -1)
	switch {
	case len(words) == 0 || words[0] == `"NONE"`:
		return "NONE"
	case words[0] == `"CMD-SHELL"` && len(words) == 2:
		return "CMD " + strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(words[1][1:len(words[1])-1])
	}
	return "CMD [" + strings.Join(words[1:], ", ") + "]"
}

// oneLine keeps a recorded text on one line, as no line of a guess may continue.
func oneLine(text string) string {
	return strings.TrimSpace(strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ").Replace(text))
}
