#include <async/symbol.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/util.h>

/* An ELF file. It may have been replaced since it was loaded: nothing in it is believed. */
struct image {
        const char *bytes;
        size_t size;
};

static bool image_open(struct image *image, const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        void *bytes = MAP_FAILED;
        struct stat st;

        if (fd < 0)
                return false;
        if (fstat(fd, &st) == 0 && st.st_size > 0)
                bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        close(fd);
        if (bytes == MAP_FAILED)
                return false;
        *image = (struct image){ bytes, (size_t)st.st_size };
        return true;
}

static const void *image_at(const struct image *image, size_t offset, size_t size)
{
        if (offset % sizeof(long) != 0 || offset > image->size || size > image->size - offset)
                return NULL;
        return image->bytes + offset;
}

static const ElfW(Shdr) * image_sections(const struct image *image, size_t *ret_n)
{
        const ElfW(Ehdr) *head = image_at(image, 0, sizeof(*head));

        if (!head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
            head->e_shentsize != sizeof(ElfW(Shdr)))
                return NULL;
        *ret_n = head->e_shnum;
        return image_at(image, head->e_shoff, head->e_shnum * sizeof(ElfW(Shdr)));
}

static bool holds(const ElfW(Sym) * symbol, uintptr_t address)
{
        return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
               address >= symbol->st_value && address - symbol->st_value < symbol->st_size;
}

/* `address` is the file's own, as its symbols are. */
static bool format_from_table(const struct image *image, const ElfW(Shdr) * table,
                              const ElfW(Shdr) * strings, uintptr_t address, char *text,
                              size_t size)
{
        const ElfW(Sym) *symbols = image_at(image, table->sh_offset, table->sh_size);
        const char *end = image->bytes + image->size;

        for (size_t i = 0; symbols && i < table->sh_size / sizeof(*symbols); i++) {
                const char *name = image->bytes + strings->sh_offset + symbols[i].st_name;

                if (!holds(&symbols[i], address) || name < image->bytes || name >= end)
                        continue;
                snprintf(text, size, "%.*s+0x%zx",
                         (int)strnlen(name, MIN(64, (size_t)(end - name))), name,
                         (size_t)(address - symbols[i].st_value));
                return true;
        }
        return false;
}

static bool format_from_image(const struct image *image, uintptr_t address, char *text, size_t size)
{
        static const unsigned kinds[] = { SHT_SYMTAB, SHT_DYNSYM };
        const ElfW(Shdr) * sections;
        size_t n = 0;

        sections = image_sections(image, &n);
        for (size_t k = 0; sections && k < ARRAY_SIZE(kinds); k++)
                for (size_t i = 0; i < n; i++)
                        if (sections[i].sh_type == kinds[k] && sections[i].sh_link < n &&
                            format_from_table(image, &sections[i], &sections[sections[i].sh_link],
                                              address, text, size))
                                return true;
        return false;
}

void symbol_format(const void *address, char *text, size_t size)
{
        struct link_map *map;
        struct image image;
        uintptr_t at;
        const char *path, *slash;
        Dl_info info;
        bool found;

        if (!dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) || !map) {
                snprintf(text, size, "%p", address);
                return;
        }
        at = (uintptr_t)address - map->l_addr;
        path = map->l_name && map->l_name[0] ? map->l_name : "/proc/self/exe";
        if (image_open(&image, path)) {
                found = format_from_image(&image, at, text, size);
                munmap((void *)image.bytes, image.size);
                if (found)
                        return;
        }
        slash = strrchr(info.dli_fname, '/');
        snprintf(text, size, "%s+0x%zx", slash ? slash + 1 : info.dli_fname, (size_t)at);
}
