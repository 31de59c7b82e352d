/* pen_switch and pen_switch_prepare by hand, for x86-64 (System V) and aarch64 (AAPCS64).
 *
 * A saved stack holds the callee-saved registers and control words of its ABI, and where to go on;
 * a prepared one looks the same, with `first_run` as the place, `entry` and `arg` in two of them.
 * x86-64 ends in pop and jmp: a ret to an address that no call pushed is mispredicted each time.
 * The unwinder stops at first_run: that frame has no caller. It looks up the byte before a return
 * address, so a nop lies before the place where a new stack begins.
 */
#if defined(__x86_64__)

        .text
        .globl  pen_switch
        .hidden pen_switch
        .type   pen_switch, @function
        .p2align 5
pen_switch:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movl    (%rsp), %eax
        movzwl  4(%rsp), %ecx
        /* From here on the frame is the other stack's, of the same layout. */
        .cfi_offset %rbp, -16
        .cfi_offset %rbx, -24
        .cfi_offset %r12, -32
        .cfi_offset %r13, -40
        .cfi_offset %r14, -48
        .cfi_offset %r15, -56
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        /* Loading control words stalls the pipeline (by 40 ns and more on recent cores), and they
         * hardly ever differ. The low six bits of mxcsr are flags, which nobody preserves. */
        xorl    (%rsp), %eax
        testl   $0xffc0, %eax
        jne     2f
1:      cmpw    4(%rsp), %cx
        jne     3f
4:      .cfi_remember_state
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        ret
        .cfi_restore_state
2:      ldmxcsr (%rsp)
        jmp     1b
3:      fldcw   4(%rsp)
        jmp     4b
        .cfi_endproc
        .size   pen_switch, . - pen_switch

        .type   first_run, @function
        .p2align 4
first_run:
        .cfi_startproc
        .cfi_undefined %rip
        nop
.Lfirst_run:
        endbr64
        movq    %r12, %rdi
        call    *%rbx
        ud2
        .cfi_endproc
        .size   first_run, . - first_run

        /* void *pen_switch_prepare(rdi: low, rsi: top, rdx: entry, rcx: arg) */
        .globl  pen_switch_prepare
        .hidden pen_switch_prepare
        .type   pen_switch_prepare, @function
        .p2align 4
pen_switch_prepare:
        .cfi_startproc
        endbr64
        leaq    -80(%rsi), %rax
        stmxcsr (%rax)
        fnstcw  4(%rax)
        movq    $0, 8(%rax)             /* r15 */
        movq    $0, 16(%rax)            /* r14 */
        movq    $0, 24(%rax)            /* r13 */
        movq    %rcx, 32(%rax)          /* r12: arg */
        movq    %rdx, 40(%rax)          /* rbx: entry */
        movq    $0, 48(%rax)            /* rbp: the end of frame pointers */
        leaq    .Lfirst_run(%rip), %rcx
        movq    %rcx, 56(%rax)
        movq    $0, 64(%rax)
        movq    $0, 72(%rax)
        ret
        .cfi_endproc
        .size   pen_switch_prepare, . - pen_switch_prepare

#elif defined(__aarch64__)

        .text
        .globl  pen_switch
        .hidden pen_switch
        .type   pen_switch, %function
        .p2align 4
pen_switch:
        .cfi_startproc
        hint    #34                     /* bti c */
        .cfi_remember_state
        stp     x29, x30, [sp, #-176]!
        .cfi_adjust_cfa_offset 176
        .cfi_offset x29, -176
        .cfi_offset x30, -168
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mrs     x9, fpcr
        str     x9, [sp, #160]
        mov     x10, sp
        str     x10, [x0]
        /* From here on the frame is the other stack's, of the same layout. */
        .cfi_offset x19, -160
        .cfi_offset x20, -152
        .cfi_offset x21, -144
        .cfi_offset x22, -136
        .cfi_offset x23, -128
        .cfi_offset x24, -120
        .cfi_offset x25, -112
        .cfi_offset x26, -104
        .cfi_offset x27, -96
        .cfi_offset x28, -88
        mov     sp, x1
        ldr     x9, [sp, #160]
        msr     fpcr, x9
        ldp     d14, d15, [sp, #144]
        ldp     d12, d13, [sp, #128]
        ldp     d10, d11, [sp, #112]
        ldp     d8, d9, [sp, #96]
        ldp     x27, x28, [sp, #80]
        ldp     x25, x26, [sp, #64]
        ldp     x23, x24, [sp, #48]
        ldp     x21, x22, [sp, #32]
        ldp     x19, x20, [sp, #16]
        ldp     x29, x30, [sp], #176
        .cfi_restore_state
        ret
        .cfi_endproc
        .size   pen_switch, . - pen_switch

        .type   first_run, %function
        .p2align 4
first_run:
        .cfi_startproc
        .cfi_undefined x30
        nop
.Lfirst_run:
        hint    #36                     /* bti j */
        mov     x0, x19
        blr     x20
        brk     #1
        .cfi_endproc
        .size   first_run, . - first_run

        /* void *pen_switch_prepare(x0: low, x1: top, x2: entry, x3: arg) */
        .globl  pen_switch_prepare
        .hidden pen_switch_prepare
        .type   pen_switch_prepare, %function
        .p2align 4
pen_switch_prepare:
        .cfi_startproc
        hint    #34
        sub     x0, x1, #192
        stp     xzr, xzr, [x0, #32]
        stp     xzr, xzr, [x0, #48]
        stp     xzr, xzr, [x0, #64]
        stp     xzr, xzr, [x0, #80]
        stp     xzr, xzr, [x0, #96]
        stp     xzr, xzr, [x0, #112]
        stp     xzr, xzr, [x0, #128]
        stp     xzr, xzr, [x0, #144]
        stp     x3, x2, [x0, #16]
        mrs     x9, fpcr
        str     x9, [x0, #160]
        adr     x9, .Lfirst_run
        stp     xzr, x9, [x0]
        ret
        .cfi_endproc
        .size   pen_switch_prepare, . - pen_switch_prepare

#else
#error "configure --with-switch=ucontext"
#endif

        .section .note.GNU-stack, "", %progbits
