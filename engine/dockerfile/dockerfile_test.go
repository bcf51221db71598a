package dockerfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string // line stage NAME args
	}{
		{"blank lines and remarks", "\n# x\n  # y\nFROM a\n\nrun b\n", []string{"4 0 FROM a", "6 0 RUN b"}},
		{"arguments before the first stage", "ARG V=1\nFROM a:$V\n", []string{"1 -1 ARG V=1", "2 0 FROM a:$V"}},
		{"continuation with remark and blank line", "FROM a\nRUN b \\\n  # no\n\n  && c \\  \n  d\nUSER e", []string{"2 0 RUN b   && c   d", "7 0 USER e", "1 0 FROM a"}},
		{"a word continued", "EXPOSE 80\\\n80", []string{"1 -1 EXPOSE 8080"}},
		{"continued at the end", "USER a \\", []string{"1 -1 USER a"}},
		{"escape directive", "# escape=`\nFROM a\nRUN dir C:\\\nRUN b `\n c", []string{"2 0 FROM a", `3 0 RUN dir C:\`, "4 0 RUN b  c"}},
		{"directive after a remark is none", "# remark\n# escape=`\nRUN a \\\n b", []string{"3 -1 RUN a  b"}},
		{"windows line ends", "FROM a\r\nUSER b\r\n", []string{"1 0 FROM a", "2 0 USER b"}},
		{"byte order mark", "\ufeffFROM a", []string{"1 0 FROM a"}},
		{"here-document", "RUN <<EOF\nUSER x\nEOF\nUSER y", []string{"1 -1 RUN <<EOF", "4 -1 USER y"}},
		{"two here-documents", "COPY <<A <<-\"B\" /x/\na\nA\nUSER x\n\tB\nUSER y", []string{"1 -1 COPY <<A <<-\"B\" /x/", "6 -1 USER y"}},
		{"tabs only end a here-document with a dash", "RUN <<A\n\tA\nUSER x\nA\nUSER y", []string{"1 -1 RUN <<A", "5 -1 USER y"}},
		{"here-document without end", "RUN <<EOF\nUSER x", []string{"1 -1 RUN <<EOF", "2 -1 USER x"}},
		{"here-string", "RUN cat <<<x\nUSER y\nx", []string{"1 -1 RUN cat <<<x", "2 -1 USER y", "3 -1 X"}},
		{"not in other instructions", "LABEL a=<<EOF\nUSER x\nEOF", []string{"1 -1 LABEL a=<<EOF", "2 -1 USER x", "3 -1 EOF"}},
		{"only escape characters", "\\\n\\\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, in := range file.Instructions {
				got[strings.TrimSpace(fmt.Sprintf("%d %d %s %s", in.Line, in.Stage, in.Name, in.Args))] = true
			}
			want := map[string]bool{}
			for _, line := range tt.want {
				want[line] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("instructions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFinalFollowsTheStagesItIsBuiltOn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       string
	}{
		{"one stage", "FROM a\nUSER b", "FROM USER:b"},
		{"no stage", "USER b", "USER:b"},
		{"earlier stage is left out", "FROM a AS x\nUSER x\nFROM b\nCOPY --from=x / /", "FROM COPY"},
		{"chain by name", "FROM a AS One\nUSER x\nFROM c\nUSER no\nFROM --platform=linux/amd64 one as two\nUSER y\nFROM two\nUSER z", "FROM USER:x FROM USER:y FROM USER:z"},
		{"a stage that names itself", "FROM a\nUSER n\nFROM x AS x\nUSER y", "FROM USER:y"},
		{"the newest stage of a name", "FROM a AS x\nUSER 1\nFROM b AS x\nUSER 2\nFROM x\nUSER 3", "FROM USER:2 FROM USER:3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, in := range file.Final() {
				word := in.Name
				if in.Name == "USER" {
					word += ":" + in.Args
				}
				got = append(got, word)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("final instructions %v, want %s", got, tt.want)
			}
		})
	}
}

func TestGuess(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		// classic builder
		`/bin/sh -c #(nop) ADD file:0123 in / `:               "ADD file:0123 in /",
		`/bin/sh -c #(nop)  CMD ["bash"]`:                     `CMD ["bash"]`,
		`/bin/sh -c apt-get update && rm -rf /var/lib/apt`:    "RUN apt-get update && rm -rf /var/lib/apt",
		`|1 V=2 /bin/sh -c make $V`:                           "RUN make $V",
		`/bin/sh -c #(nop)  EXPOSE map[22/tcp:{}]`:            "EXPOSE 22/tcp",
		`/bin/sh -c #(nop)  CMD ["nginx" "-g" "daemon off;"]`: `CMD ["nginx", "-g", "daemon off;"]`,
		`/bin/sh -c #(nop) ENTRYPOINT &{["/entry.sh"]}`:       `ENTRYPOINT ["/entry.sh"]`,
		`/bin/sh -c #(nop)  VOLUME [/var/lib/mysql /log]`:     "VOLUME /var/lib/mysql /log",
		`/bin/sh -c #(nop)  ONBUILD RUN make`:                 "ONBUILD RUN make",
		`/bin/sh -c #(nop)  STOPSIGNAL SIGQUIT`:               "STOPSIGNAL SIGQUIT",
		`/bin/sh -c #(nop) COPY multi:0123 in /srv/ `:         "COPY multi:0123 in /srv/",
		`/bin/sh -c #(nop) `:                                  "",
		`|2 A=b c HOME=/x /bin/sh -c make`:                    "RUN make",
		`|1 A=b /bin/bash -o pipefail -c make | tee`:          "RUN make | tee",
		`|1 A=b`:                               "RUN A=b",
		`cmd /S /C #(nop)  USER ContainerUser`: "USER ContainerUser",
		`cmd /S /C mkdir C:\app`:               `RUN mkdir C:\app`,
		`powershell -Command $ErrorActionPreference = 'Stop'; Get-Item`: `RUN $ErrorActionPreference = 'Stop'; Get-Item`,
		`/bin/sh -c #(nop)  HEALTHCHECK &{["CMD-SHELL" "x"] }`:          "HEALTHCHECK CMD x",
		// BuildKit
		`RUN /bin/sh -c apt-get update # buildkit`:  "RUN apt-get update",
		`RUN |2 A=1 B=2 /bin/sh -c make # buildkit`: "RUN make",
		`COPY /src /dst # buildkit`:                 "COPY /src /dst",
		`EXPOSE map[443/tcp:{} 8080/tcp:{}]`:        "EXPOSE 443/tcp 8080/tcp",
		`EXPOSE [443/tcp 8080/udp]`:                 "EXPOSE 443/tcp 8080/udp",
		`USER app`:                                  "USER app",
		`WORKDIR /app`:                              "WORKDIR /app",
		`ENV A=b c`:                                 "ENV A=b c",
		`HEALTHCHECK &{["CMD-SHELL" "curl \"x\" || exit 1"] "30s" "3s" "0s" "0s" '\x03'}`: `HEALTHCHECK --interval=30s --timeout=3s --retries=3 CMD curl "x" || exit 1`,
		`HEALTHCHECK &{["CMD" "/check" "-q"] "30s" "3s" "0s" '\x03'}`:                     `HEALTHCHECK --interval=30s --timeout=3s --retries=3 CMD ["/check", "-q"]`,
		`HEALTHCHECK &{["CMD" "x"] "0s" "0s" "5s" "1s" '\n'}`:                             `HEALTHCHECK --start-period=5s --start-interval=1s --retries=10 CMD ["x"]`,
		"RUN /bin/sh -c apt-get update \t&& true # buildkit":                              "RUN apt-get update \t&& true",
		"RUN /bin/sh -c set -eux; \n\tapk add x; \n\tapk del y # buildkit":                "RUN set -eux;  \tapk add x;  \tapk del y",
		`RUN /bin/sh -c <<EOF (apk add x...) # buildkit`:                                  "RUN <<EOF (apk add x...)",
		`RUN --mount=type=cache,target=/c --network=none /bin/sh -c make # buildkit`:      "RUN --mount=type=cache,target=/c --network=none make",
		`RUN /app/install --all # buildkit`:                                               "RUN /app/install --all",
		`ADD --chown=a:b https://example.test/x /x # buildkit`:                            "ADD --chown=a:b https://example.test/x /x",
		`CMD ["a" "b"]`:            `CMD ["a", "b"]`,
		`CMD ["a", "b"]`:           `CMD ["a", "b"]`,
		`CMD a b`:                  `CMD a b`,
		`ENTRYPOINT ["\"q\"" "]"]`: `ENTRYPOINT ["\"q\"", "]"]`,
		`VOLUME [/data]`:           "VOLUME /data",
		`VOLUME map[/data:{}]`:     "VOLUME /data",
		`VOLUME ["/a", "/b"]`:      `VOLUME ["/a", "/b"]`,
		`SHELL [/bin/bash -c]`:     `SHELL ["/bin/bash", "-c"]`,
		`ONBUILD EXPOSE [80/tcp]`:  "ONBUILD EXPOSE 80/tcp",
		`ONBUILD ONBUILD RUN make`: "",
		`STOPSIGNAL SIGTERM`:       "STOPSIGNAL SIGTERM",
		`ARG V=1`:                  "ARG V=1",
		// buildah and kaniko
		`/bin/sh -c #(nop) LABEL a=b`: "LABEL a=b",
		`/bin/sh`:                     "RUN /bin/sh",
		`/bin/sh -c apk add git`:      "RUN apk add git",
		`COPY --from=build /out /out`: "COPY --from=build /out /out",
		`WORKDIR /`:                   "WORKDIR /",
		`RUN`:                         "",
		`HEALTHCHECK &{["NONE"] "0s" "0s" "0s" '\x00'}`: "HEALTHCHECK NONE",
		// others
		"bazel build //:image":                "# bazel build //:image",
		"ko build ko://example.test/cmd/x":    "# ko build ko://example.test/cmd/x",
		"jib-maven-plugin:3.4.0":              "# jib-maven-plugin:3.4.0",
		"jib-gradle-plugin:3.3.1":             "# jib-gradle-plugin:3.3.1",
		"apko":                                "# apko",
		"Buildpacks Launcher Config":          "# Buildpacks Launcher Config",
		"store paths: ['/nix/store/x']":       "# store paths: ['/nix/store/x']",
		"kopia backup":                        "RUN kopia backup",
		"# debian.sh --arch 'amd64' out/ '@'": "",
		"":                                    "",
		"RUN a \\\n  b \\":                    `RUN a \   b`,
		"RUN x\nUSER evil":                    "RUN x USER evil",
	}
	for createdBy, want := range tests {
		got := Guess([]string{createdBy}, "")
		if want != "" {
			want += "\n"
		}
		if diff := cmp.Diff("FROM scratch\n"+want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", createdBy, diff)
		}
	}
}

func TestGuessKeepsTheOrderAndKnowsShellAndBase(t *testing.T) {
	t.Parallel()
	history := []string{
		"/bin/sh -c #(nop) ADD file:1 in / ", "SHELL [/usr/local/bin/fish -l --init]", "RUN /usr/local/bin/fish -l --init apk add x # buildkit",
		"|1 V=1 /usr/local/bin/fish -l --init make", "", "COPY /a /b # buildkit", "USER app",
	}
	want := `ADD file:1 in /
SHELL ["/usr/local/bin/fish", "-l", "--init"]
RUN apk add x
RUN make
COPY /a /b
USER app
`
	for base, from := range map[string]string{
		"": "scratch", "docker.io/library/alpine:3.20": "docker.io/library/alpine:3.20", "a\nUSER root": "scratch", "a b": "scratch", "--platform=x": "scratch",
		"r.example:5000/a/b@sha256:0123": "r.example:5000/a/b@sha256:0123", strings.Repeat("a", 600): "scratch",
	} {
		if diff := cmp.Diff("FROM "+from+"\n"+want, Guess(history, base)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", base, diff)
		}
	}
	if got := Guess(nil, ""); got != "FROM scratch\n" {
		t.Errorf("without a history: %q", got)
	}
}

func TestTooLargeTextIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("a", MaxBytes+1), strings.Repeat("\n", MaxLines)} {
		if _, err := Parse(text); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"# escape=`\nFROM a AS b\nRUN c `\n d", "RUN <<A <<-B\nA\n\tB", "FROM b\nFROM a AS a\nUSER \\\n#\n\n", "\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse(text)
		if err != nil {
			return
		}
		last := 0
		for _, in := range file.Instructions {
			if in.Name == "" || in.Line <= last || strings.ContainsAny(in.Name, " \t\n") || strings.Contains(in.Args, "\n") {
				t.Fatalf("bad instruction %+v", in)
			}
			last = in.Line
		}
		if len(file.Final()) > len(file.Instructions) {
			t.Fatal("more final instructions than there are")
		}
	})
}

// FuzzGuess checks that every history entry becomes one line at most.
func FuzzGuess(f *testing.F) {
	f.Add("/bin/sh -c #(nop)  USER x", "RUN |1 A=b /bin/sh -c c # buildkit")
	f.Add("HEALTHCHECK &{[\"CMD\" \"a\"]}", "RUN x \\")
	f.Fuzz(func(t *testing.T, first, second string) {
		text := Guess([]string{first, second}, "")
		file, err := Parse(text)
		if err != nil {
			return
		}
		remarks := strings.Count(text, "\n#")
		if len(file.Instructions) != strings.Count(text, "\n")-remarks || len(file.Instructions) > 3 {
			t.Fatalf("%d instructions from %q", len(file.Instructions), text)
		}
	})
}
