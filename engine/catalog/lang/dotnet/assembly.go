package dotnet

import (
	"context"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf16"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/executable"
)

// Bounds of one assembly, in bytes. The largest of the framework has 14 MB; its resources hold icons and manifests
// beside the version.
const (
	maxAssembly  = 64 << 20
	maxResources = 4 << 20
	maxVersion   = 64 << 10
)

// errVersion reports a version resource that breaks its format.
var errVersion = errors.New("unreadable version resource")

// Assemblies returns the analyzer of .NET assemblies' version resources. What they say gives way to any dependency
// file: it names a build, mostly but not always as the package is named.
func Assemblies() catalog.Analyzer {
	return catalog.Analyzer{Name: "dotnet-assembly", Version: 1, MaxSize: maxAssembly, Wants: wantsAssembly, Analyze: analyzeAssembly}
}

func wantsAssembly(c catalog.Candidate) bool {
	ext := path.Ext(c.Path)
	return (strings.EqualFold(ext, ".dll") || strings.EqualFold(ext, ".exe")) && executable.IsPE(c.Head)
}

func analyzeAssembly(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	file, err := pe.NewFile(f.Content)
	if err != nil {
		return catalog.Evidence{}, nil //nolint:nilerr // runs nowhere and is no gap
	}
	resources, managed := directories(file)
	if !managed || resources.Size == 0 {
		return catalog.Evidence{}, nil
	}
	info, err := versionInfo(file, resources)
	if err != nil || len(info) == 0 {
		return catalog.Evidence{}, err
	}
	p, ok := described(info)
	if !ok {
		return catalog.Evidence{}, nil
	}
	p.Type, p.Location, p.MetadataType = catalog.TypeNuget, f.Path, "DotnetPortableExecutableMetadata"
	if err := p.Check(); err != nil {
		return catalog.Evidence{}, err
	}
	return catalog.Evidence{Packages: []catalog.Package{p}}, nil
}

// directories returns the resource directory, and whether the file is an assembly: one with a CLI header (ECMA-335
// partition II, 25.3.3).
func directories(file *pe.File) (resources pe.DataDirectory, managed bool) {
	switch h := file.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		return h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_RESOURCE], h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR].Size > 0
	case *pe.OptionalHeader64:
		return h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_RESOURCE], h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR].Size > 0
	}
	return pe.DataDirectory{}, false
}

// described makes a package of the strings of a version resource (Win32, "StringFileInfo").
func described(info map[string]string) (catalog.Package, bool) {
	name := info["OriginalFilename"]
	if name == "" {
		name = info["InternalName"]
	}
	for _, ext := range []string{".dll", ".exe"} {
		if cut := len(name) - len(ext); cut > 0 && strings.EqualFold(name[cut:], ext) {
			name = name[:cut]
		}
	}
	// "8.0.1+5590b7a" names a commit as well.
	version, _, _ := strings.Cut(info["ProductVersion"], "+")
	if version == "" || version[0] < '0' || version[0] > '9' || strings.Contains(version, " ") {
		version = info["FileVersion"]
	}
	if name = catalog.Text(name); name == "" || catalog.Text(version) == "" || strings.ContainsAny(name, `/\`) {
		return catalog.Package{}, false
	}
	p := named(name, catalog.Text(version))
	p.Origin = catalog.Text(info["CompanyName"])
	for _, key := range []string{"Assembly Version", "FileVersion", "ProductName"} {
		if value := catalog.Text(info[key]); value != "" {
			p.Metadata[key] = value
		}
	}
	p.Metadata[catalog.MetadataEvidence] = catalog.EvidenceInferred
	return p, true
}

// typeVersion is RT_VERSION (Win32, "Resource Types").
const typeVersion = 16

// versionInfo finds the version resource: type, name and language each lead one directory deeper (PE format, "The
// .rsrc Section"). An assembly may have none.
func versionInfo(file *pe.File, dir pe.DataDirectory) (map[string]string, error) {
	tree, err := at(file, dir.VirtualAddress, min(dir.Size, maxResources))
	if err != nil {
		return nil, err
	}
	offset := uint32(0)
	for level := range 3 {
		next, deeper, ok := entry(tree, offset, level == 0)
		if !ok || deeper != (level < 2) {
			return nil, nil
		}
		offset = next
	}
	if uint64(offset)+8 > uint64(len(tree)) {
		return nil, fmt.Errorf("%w: it ends within a directory", errVersion)
	}
	address, size := binary.LittleEndian.Uint32(tree[offset:]), binary.LittleEndian.Uint32(tree[offset+4:])
	raw, err := at(file, address, min(size, maxVersion))
	if err != nil {
		return nil, err
	}
	info := map[string]string{}
	return info, blocks(raw, 0, info)
}

// entry reads a directory: the entry of the version type on the first level, else the first one.
func entry(tree []byte, offset uint32, byType bool) (next uint32, deeper, ok bool) {
	if uint64(offset)+16 > uint64(len(tree)) {
		return 0, false, false
	}
	count := int(binary.LittleEndian.Uint16(tree[offset+12:])) + int(binary.LittleEndian.Uint16(tree[offset+14:]))
	for i := range count {
		at := uint64(offset) + 16 + 8*uint64(i)
		if at+8 > uint64(len(tree)) {
			return 0, false, false
		}
		if byType && binary.LittleEndian.Uint32(tree[at:]) != typeVersion {
			continue
		}
		target := binary.LittleEndian.Uint32(tree[at+4:])
		return target &^ (1 << 31), target>>31 == 1, true
	}
	return 0, false, false
}

// at reads what is loaded at an address.
func at(file *pe.File, address, size uint32) ([]byte, error) {
	for _, s := range file.Sections {
		if address < s.VirtualAddress || address-s.VirtualAddress >= s.Size {
			continue
		}
		out := make([]byte, min(size, s.Size-(address-s.VirtualAddress)))
		n, err := s.ReadAt(out, int64(address-s.VirtualAddress))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: %w", errVersion, err)
		}
		return out[:n], nil
	}
	return nil, fmt.Errorf("%w: no section holds address %#x", errVersion, address)
}

// Depths of the blocks in a version resource: VS_VERSION_INFO, StringFileInfo, a table, its strings.
const depthStrings = 3

// blocks reads a run of blocks: length, length of the value, type, key, value, further blocks, each on a boundary of
// four bytes (Win32, "VS_VERSIONINFO").
func blocks(raw []byte, depth int, info map[string]string) error {
	for pos := 0; pos+6 <= len(raw); {
		length := int(binary.LittleEndian.Uint16(raw[pos:]))
		valueLength := int(binary.LittleEndian.Uint16(raw[pos+2:]))
		text := binary.LittleEndian.Uint16(raw[pos+4:]) == 1
		if length < 6 || pos+length > len(raw) {
			if length == 0 {
				return nil // padding
			}
			return fmt.Errorf("%w: a block of %d bytes does not fit", errVersion, length)
		}
		block := raw[pos : pos+length]
		key, rest := wide(block[6:])
		body := aligned(pos, 6+rest) - pos
		if depth == depthStrings {
			value, _ := wide(block[min(body, length):])
			if _, known := info[key]; !known {
				info[key] = value
			}
		} else {
			if text {
				valueLength *= 2
			}
			if inner := aligned(pos, body+valueLength) - pos; inner < length && key != "VarFileInfo" {
				if err := blocks(block[inner:], depth+1, info); err != nil {
					return err
				}
			}
		}
		pos = aligned(pos, length)
	}
	return nil
}

// aligned is where the next part begins: behind n bytes, on a multiple of four. Blocks themselves begin on one.
func aligned(pos, n int) int { return pos + (n+3)&^3 }

// wide reads text of two bytes per unit that ends in a zero, and how many bytes it takes.
func wide(raw []byte) (text string, taken int) {
	var units []uint16
	for taken+2 <= len(raw) {
		u := binary.LittleEndian.Uint16(raw[taken:])
		if taken += 2; u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units)), taken
}
