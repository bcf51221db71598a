package model

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

var le = binary.LittleEndian

func str(s string) []byte { return append(le.AppendUint64(nil, uint64(len(s))), s...) }

func textPair(key, value string) []byte {
	return append(le.AppendUint32(str(key), typeString), str(value)...)
}

// gguf makes a file of version 3 without tensors.
func gguf(pairs ...[]byte) []byte {
	out := le.AppendUint32([]byte(magic), 3)
	out = le.AppendUint64(out, 0)
	out = le.AppendUint64(out, uint64(len(pairs)))
	return append(out, bytes.Join(pairs, nil)...)
}

func array(key string, element uint32, count uint64, content []byte) []byte {
	out := le.AppendUint32(str(key), typeArray)
	return append(le.AppendUint64(le.AppendUint32(out, element), count), content...)
}

var llama = gguf(
	textPair("general.architecture", "llama"),
	le.AppendUint32(le.AppendUint32(str("general.quantization_version"), 4), 2),
	array("general.tags", typeString, 2, append(str("text"), str("chat")...)),
	array("general.numbers", 2, 3, make([]byte, 6)),
	textPair("general.name", "Llama 3.1 8B Instruct"),
	textPair("general.version", "v1.0"),
	textPair("general.size_label", "8B"),
	textPair("general.license", "llama3.1"),
	textPair("general.organization", "Meta Llama"),
	array("tokenizer.ggml.tokens", typeString, 1<<40, nil),
)

func safetensors(header string) []byte {
	return append(le.AppendUint64(nil, uint64(len(header))), header...)
}

const sdxl = `{"__metadata__": {"format": "pt", "modelspec.title": "Stable Diffusion XL 1.0 Base", "modelspec.architecture": "stable-diffusion-xl-v1-base",
 "modelspec.author": "StabilityAI", "modelspec.license": "CreativeML Open RAIL++-M"}, "w": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}`

func file(name string, content []byte) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader(content),
	}
}

// reading finds what the analyzer that wants the file finds in it.
func reading(t *testing.T, f *catalog.File, content []byte) ([]catalog.Package, error) {
	t.Helper()
	for _, a := range Analyzers() {
		if a.Wants(catalog.Candidate{Entry: f.Entry, Head: content[:min(len(content), catalog.HeadSize)]}) {
			e, err := a.Analyze(t.Context(), f)
			return e.Packages, err
		}
	}
	return nil, nil
}

func TestModels(t *testing.T) {
	t.Parallel()
	const ref = "0e9e39f249a16976918f6564b8830bc894c89659"
	for name, c := range map[string]struct {
		path    string
		content []byte
		want    catalog.Package
	}{
		"GGUF": {"/models/llama.gguf", llama, catalog.Package{
			Name: "Llama 3.1 8B Instruct", Version: "v1.0", PURL: "pkg:generic/Llama%203.1%208B%20Instruct@v1.0", Origin: "Meta Llama",
			Licenses: []string{"llama3.1"}, MetadataType: "GgufMetadata", Metadata: map[string]string{"architecture": "llama", "size-label": "8B"},
		}},
		"safetensors": {"/models/sdxl.safetensors", safetensors(sdxl), catalog.Package{
			Name: "Stable Diffusion XL 1.0 Base", Version: Unversioned, PURL: "pkg:generic/Stable%20Diffusion%20XL%201.0%20Base@UNKNOWN",
			Origin: "StabilityAI", Licenses: []string{"CreativeML Open RAIL++-M"}, MetadataType: "SafetensorsMetadata",
			Metadata: map[string]string{"architecture": "stable-diffusion-xl-v1-base"},
		}},
		"the cache of the hub": {"/root/.cache/huggingface/hub/models--meta-llama--Llama-3.1-8B/refs/main", []byte(ref), catalog.Package{
			Name: "meta-llama/Llama-3.1-8B", Version: ref, PURL: "pkg:huggingface/meta-llama/Llama-3.1-8B@" + ref,
			MetadataType: "HuggingfaceCacheMetadata", Metadata: map[string]string{"branch": "main"},
		}},
		"a model of the hub without owner": {"/hub/models--gpt2/refs/main", []byte(ref + "\n"), catalog.Package{
			Name: "gpt2", Version: ref, PURL: "pkg:huggingface/gpt2@" + ref,
			MetadataType: "HuggingfaceCacheMetadata", Metadata: map[string]string{"branch": "main"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := reading(t, file(c.path, c.content), c.content)
			if err != nil {
				t.Fatal(err)
			}
			c.want.Type, c.want.Location = "ai-model", c.path
			if diff := cmp.Diff([]catalog.Package{c.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path    string
		content []byte
		fault   bool
	}{
		"a header cut off":         {"/a.gguf", llama[:40], true},
		"a text without end":       {"/a.gguf", gguf(le.AppendUint64(nil, 1<<62)), true},
		"numbers without end":      {"/a.gguf", gguf(array("general.x", 10, 1<<62, nil)), true},
		"texts without end":        {"/a.gguf", gguf(array("general.x", typeString, 1<<62, make([]byte, 800))), true},
		"empty texts without end":  {"/a.gguf", gguf(array("general.x", typeString, 1<<62, make([]byte, maxSkip+64))), true},
		"an array of arrays":       {"/a.gguf", gguf(array("general.x", typeArray, 1, nil)), true},
		"an unknown type":          {"/a.gguf", gguf(le.AppendUint32(str("general.x"), 77)), true},
		"the first version":        {"/a.gguf", le.AppendUint32([]byte(magic), 1), true},
		"a model without a name":   {"/a.gguf", gguf(textPair("general.architecture", "bert")), false},
		"weights without a title":  {"/a.safetensors", safetensors(`{"w": {}}`), false},
		"a header of 1 EiB":        {"/a.safetensors", le.AppendUint64(nil, 1<<60), true},
		"a header that is no JSON": {"/a.safetensors", safetensors("x"), true},
		"an empty file":            {"/a.safetensors", nil, true},
		"a branch without commit":  {"/models--a--b/refs/main", []byte("x"), false},
	} {
		got, err := reading(t, file(c.path, c.content), c.content)
		if errors.Is(err, ErrHeader) != c.fault || len(got) > 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func FuzzModels(f *testing.F) {
	f.Add("/a.gguf", llama)
	f.Add("/a.safetensors", safetensors(sdxl))
	f.Add("/models--a--b/refs/main", []byte("0e9e39f249a16976918f6564b8830bc894c89659"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		got, _ := reading(t, file(name, content), content)
		for i := range got {
			if err := got[i].Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
